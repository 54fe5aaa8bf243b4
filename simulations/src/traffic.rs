//! What visitors want: measured series, drawn populations, and the loads of which a scenario is made.
//!
//! | file | what |
//! |---|---|
//! | [`access_log`] | a combined access log, line by line |
//! | [`counts`] | counts at regular times, such as per minute or per five minutes |
//! | [`file`](mod@file) | either of them, out of a file |
//! | [`series`] | requests over time, measured or made: windows, scales, steps |
//! | [`zipf`] | what is popular |
//! | [`content`] | pages and what they load |
//! | [`visits`] | sessions: who comes, what they look at, and when |
//! | [`days`] | days and weeks |
//! | [`events`] | crowds that strike several sites at once |
//! | [`load`] | one load on one site, as a scenario names it |
//! | [`retries`] | those who were refused and try again |
//!
//! Integers throughout, as in the rest of a world. Attack floods and crawlers are loads of one rate; a stampede of previews is a load of many in
//! a moment. Which of them a site serves first is for its edge to say: here they are requests.

pub mod access_log;
pub mod content;
pub mod counts;
pub mod days;
pub mod events;
pub mod file;
pub mod load;
pub mod retries;
pub mod series;
pub mod visits;
pub mod zipf;
