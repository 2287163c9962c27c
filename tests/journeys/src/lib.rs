//! Tests across functions. `tests/it` calls handlers in this process and, where a test says that it needs the binaries, a
//! whole province over HTTP.
