//! Clients. They send a request, lose patience, send it again with the same key, and write down every reply.

use super::environment::{Call, Environments, Reply, Who};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;

/// A client's request and its last reply. There is no reply when the client gave up.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) call: Call,
    pub(crate) reply: Option<Reply>,
}

impl Exchange {
    pub(crate) fn is_success(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.status < 300)
    }

    /// The request and its reply in one line, for a person and for comparing two runs. It leaves out what differs
    /// between the keys of two processes.
    pub(crate) fn line(&self) -> String {
        let what = self.call.path.rsplit('/').next().unwrap_or_default();
        let got = match &self.reply {
            Some(reply) => {
                format!("{} {}{}", reply.status, reply.refusal(), if reply.replayed { " again" } else { "" })
            }
            None => "nothing".to_owned(),
        };
        format!("{what} {}: {got}", self.call.key)
    }
}

/// How often a client sends a request.
pub(crate) const ASKS: usize = 6;

#[derive(Clone)]
pub(super) struct Client {
    environments: Environments,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    pub(super) random: fastrand::Rng,
}

/// A till's request under this key.
pub(super) fn at_the_till(path: &str, key: &str, body: serde_json::Value) -> Call {
    let key = format!("{key}-0123456789abcdef");
    Call { method: "POST", path: path.to_owned(), who: Who::Merchant, key, body }
}

impl Client {
    /// A client that writes down the replies that it gets.
    pub(super) fn new(
        environments: &Environments,
        exchanges: &Arc<Mutex<Vec<Exchange>>>,
        random: fastrand::Rng,
    ) -> Self {
        Client { environments: environments.clone(), exchanges: Arc::clone(exchanges), random }
    }

    /// Sends a request until the reply is not "try again", or until patience ends.
    pub(super) async fn ask(&mut self, call: Call) -> Option<Reply> {
        let mut last = None;
        for _ in 0..ASKS {
            let reply = self.environments.send(self.random.usize(..8), &call).await;
            let again = reply.as_ref().is_none_or(|reply| reply.status == 503);
            if !again {
                last = reply;
                break;
            }
            sleep(Duration::from_millis(self.random.u64(50..2_500))).await;
        }
        self.exchanges.lock().unwrap().push(Exchange { call, reply: last.clone() });
        last
    }
}
