//! See `overspill_fuzz`.
#![cfg_attr(fuzzing, no_main)]
overspill_fuzz::target!("settling");
