//! What the running agent tells and takes beside serving visitors: figures over HTTP on loopback, commands over a socket in its directory.

pub mod carry;
pub mod control;
pub mod denials;
pub mod http;
pub mod lines;
pub mod members;
pub mod status;
pub mod talk;
pub mod votes;
