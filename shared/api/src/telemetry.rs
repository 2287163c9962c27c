//! JSON logs, one line per request. What never goes in: tokens, codes, phones, keys, bodies, idempotency keys.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error, once per process: Lambda collects both streams, and on one machine standard output
/// belongs to the messages.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // A second start, as in tests, keeps the first subscriber.
    let _ = subscriber.with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
