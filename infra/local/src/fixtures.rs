//! What a province begins with: the seed, its keys, and the filled samples of `events/`.

pub mod key_file;
pub mod samples;
pub mod seed;
