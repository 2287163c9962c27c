//! JSON logs, one line per request.
//!
//! What is never logged: tokens, codes, phones, keys, bodies, idempotency keys.

use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// The crates whose logs are ours. A test holds the list equal to the workspace.
///
/// What they log below `info` was written with the rule above in mind.
const OURS: [&str; 19] = [
    "mealticket_api",
    "mealticket_domain",
    "mealticket_store",
    "accept_merchant_callback",
    "decide_discrepancies",
    "deliver_webhooks",
    "fold_books",
    "issue_coupon",
    "manage_webhooks",
    "post_ledger",
    "queue_webhooks",
    "read_books",
    "read_deliveries",
    "read_statements",
    "read_wallet",
    "rebuild_ledger",
    "redeem_code",
    "sign_up_member",
    "sweep_stock",
];

/// Starts logging to standard error, once per process.
///
/// Lambda collects both streams. On one machine standard output belongs to the short messages.
pub(crate) fn start(level: LevelFilter) {
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(filter_fn(move |metadata| is_logged(level, metadata)));
    // A second start, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// Whether a line of this crate and level is logged: ours down to `level`, and of what we depend on nothing
/// below `info`.
///
/// That holds whatever the level is. The runtime traces whole events, with tokens and codes among them.
fn is_logged(level: LevelFilter, metadata: &Metadata<'_>) -> bool {
    let name = metadata.target().split("::").next().unwrap_or_default();
    let level = if OURS.contains(&name) { level } else { level.min(LevelFilter::INFO) };
    *metadata.level() <= level
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;
        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    fn logged_at(level: LevelFilter) -> String {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_filter(filter_fn(move |metadata| is_logged(level, metadata)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "lambda_runtime::layers::trace", "an event with a token");
            tracing::debug!(target: "aws_smithy_runtime", "a request with a code");
            tracing::trace!(target: "mealticket_api_of_somebody", "a stranger of a like name");
            tracing::info!(target: "lambda_runtime", "theirs, info");
            tracing::trace!(target: "mealticket_store::calls", "ours, trace");
            tracing::debug!(target: "redeem_code", "ours, debug");
            tracing::info!(target: "mealticket_api::run", "ours, info");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_we_depend_on_logs_nothing_below_info_whatever_the_level() {
        let logged = logged_at(LevelFilter::TRACE);
        for unwanted in ["token", "code of", "a request", "stranger"] {
            assert!(!logged.contains(unwanted), "{logged}");
        }
        for wanted in ["theirs, info", "ours, trace", "ours, debug", "ours, info"] {
            assert!(logged.contains(wanted), "{logged}");
        }
        let logged = logged_at(LevelFilter::INFO);
        assert!(logged.contains("theirs, info") && !logged.contains("ours, debug"), "{logged}");
        assert_eq!(logged_at(LevelFilter::OFF), "");
    }

    #[test]
    fn the_crates_that_are_ours_are_the_workspaces() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = std::fs::read_dir(root.join("functions")).unwrap().flatten();
        let folders = folders.filter(|entry| entry.path().is_dir());
        let functions = folders.map(|folder| folder.file_name().to_string_lossy().replace('-', "_"));
        let mut crates: Vec<String> = functions.collect();
        crates.extend(["mealticket_api", "mealticket_domain", "mealticket_store"].map(str::to_owned));
        crates.sort();
        let mut ours = OURS.to_vec();
        ours.sort_unstable();
        assert_eq!(ours, crates);
    }
}
