//! Tests across functions. `tests/it` calls handlers in this process. A test that says it needs the binaries calls a
//! whole province over HTTP.
