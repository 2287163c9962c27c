//! The stack as an outside program meets it: a process, its standard output and its signals.

use mealticket_api::{
    auth::member::{MemberPrincipal, MemberTokens},
    vault::Vault,
};
use mealticket_domain::{MemberAttributes, Timestamp};
use mealticket_local::{
    binaries,
    client::{Call, Client},
    key_file::KeyFile,
    seed::Seed,
    stack::Message,
    state::StateDir,
    workspace,
};
use mealticket_store::Clock;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// The `stack` program beside this test.
pub(crate) fn stack() -> Command {
    let mut command = Command::new(binaries::directory(false).unwrap().join("stack"));
    command.current_dir(workspace::root());
    command
}

/// Runs a program to its end.
pub(crate) async fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap()
}

/// How long a test waits for a program that makes no progress. It must be longer than the slowest machine needs.
const PATIENCE: Duration = Duration::from_secs(600);

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Processes whose environment or command line names this directory. Those that are ending get a moment to end.
pub(crate) async fn living(data: &str) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..50 {
        found = naming(data);
        if found.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    found
}

fn naming(data: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let numbered = processes.filter(|name| name.bytes().all(|b| b.is_ascii_digit()) && *name != own);
    let read = |pid: &str, file: &str| std::fs::read(Path::new("/proc").join(pid).join(file)).unwrap_or_default();
    numbered
        .filter_map(|pid| {
            let about = [read(&pid, "environ"), read(&pid, "cmdline")].concat();
            let about = String::from_utf8_lossy(&about).into_owned();
            about.contains(data).then(|| format!("{pid} {}", about.replace('\0', " ")))
        })
        .collect()
}

/// A running program.
pub(crate) struct Program {
    child: Child,
}

impl Program {
    /// Starts a program and waits until it prints `ready`.
    pub(crate) async fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let waited = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(ready) {
                    return true;
                }
            }
            false
        });
        assert!(waited.await.unwrap(), "the program ended without saying {ready:?}");
        Program { child }
    }

    /// Starts a program that prints nothing, and waits until it listens on the port.
    pub(crate) async fn start_listening(mut command: Command, port: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let program = Program { child: command.spawn().unwrap() };
        for _ in 0..PATIENCE.as_secs() * 10 {
            if tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_ok() {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing listens on {port}");
    }

    /// Ends the program as Ctrl-C does.
    pub(crate) async fn interrupt(mut self) {
        signal(&self.child, "INT").await;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.is_ok(), "it does not end on SIGINT");
    }
}

pub(crate) async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args([format!("-{name}"), pid]).status().await.unwrap();
    assert!(sent.success());
}

/// A till of one merchant.
pub(crate) struct Till {
    client: Client,
    token: String,
}

impl Till {
    /// A redemption on an order of the till's own.
    pub(crate) fn redemption(&self, code: &str, till: u64) -> Call {
        let body = json!({ "code": code, "store_id": "sto_luckytea01",
            "order": { "order_no": format!("T-{till}"), "amount_fen": 2_500 } });
        self.client.post("/v1/redemptions", &body).bearer(&self.token).key(&format!("the-key-of-till-{till:04}"))
    }
}

/// A province that `stack up --json` started.
pub(crate) struct Province {
    pub(crate) client: Client,
    ready: Value,
    keys: KeyFile,
    tokens: MemberTokens,
    clock: Clock,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Province {
    /// Starts a province on ports of its own, and waits until it is ready.
    pub(crate) async fn up(options: &[&str]) -> Self {
        let mut command = stack();
        command.args(["up", "--json", "--no-build", "--port", "0"]).args(options).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let ready: Value = serde_json::from_str::<Value>(&first).unwrap()["ready"].clone();
        for member in ["api", "dynamodb", "issuer", "province", "merchants", "campaigns"] {
            assert!(!ready[member].is_null(), "{member} is missing: {first}");
        }
        let data = options.iter().position(|option| *option == "--data").map(|at| Path::new(options[at + 1]));
        let seed = Seed::read(&workspace::seed()).unwrap();
        let state = StateDir::open(data).unwrap();
        let keys = state.keys(&seed).unwrap();
        // A stack without a directory of its own may not be the one that is found here.
        let clock = if data.is_some() { state.clock() } else { Clock::system() };
        let tokens = MemberTokens::new(&keys.stack.token_key, ready["issuer"].as_str().unwrap()).unwrap();
        let client = Client::new(ready["api"].as_str().unwrap()).unwrap();
        Province { client, ready, keys, tokens, clock, child, lines }
    }

    /// The time by the province's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The port of the API.
    pub(crate) fn port(&self) -> &str {
        self.ready["api"].as_str().unwrap().rsplit(':').next().unwrap()
    }

    /// Waits for the next one-time code that the stack prints.
    pub(crate) async fn message(&mut self) -> Message {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_value(serde_json::from_str::<Value>(&line).unwrap()["message"].clone()).unwrap()
    }

    /// A bearer token of a merchant.
    pub(crate) fn merchant_token(&self, merchant: &str) -> String {
        let issuer = self.ready["issuer"].as_str().unwrap();
        self.keys.merchant(merchant).unwrap().token(merchant, issuer, self.now()).unwrap()
    }

    /// A token of the member with this number, as the stack itself would sign it.
    pub(crate) fn member_token(&self, number: u64) -> String {
        let province = self.ready["province"].as_str().unwrap().parse().unwrap();
        let (ids, vault) = (self.keys.stack.id_cipher(province).unwrap(), Vault::new(&self.keys.stack).unwrap());
        let principal = MemberPrincipal {
            member: number.try_into().unwrap(),
            family_id: [0; 16],
            attributes: MemberAttributes::default(),
        };
        self.tokens.issue(&principal, &ids, &vault, self.now()).unwrap()
    }

    /// A till of the tea shop. It can outlive this value.
    pub(crate) fn clone_for_till(&self) -> Till {
        Till { client: self.client.clone(), token: self.merchant_token("mch_luckytea") }
    }

    /// Kills the stack with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends the stack with SIGTERM.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        signal(&self.child, "TERM").await;
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }
}
