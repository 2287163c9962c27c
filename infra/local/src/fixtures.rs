//! What a province begins with: the seed, keys, and the samples of `events/` filled in.

pub mod key_file;
pub mod samples;
pub mod seed;
