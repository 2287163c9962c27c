//! Attempts over real connections, to servers that behave badly and names that resolve to false addresses.

use deliver_webhooks::courier::{Courier, HttpCourier, Looked, Lookup};
use mealticket_domain::webhook::{Answer, EndpointNetwork, EndpointUrl, Failure};
use mealticket_local::receiver::{Behaviour, Receiver};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

/// Stands for the fifteen seconds of production.
pub(super) const TIMEOUT: Duration = Duration::from_millis(400);

/// A resolver with a script. It gives its answers in turn, and then begins again.
pub(super) struct Scripted(Vec<Vec<&'static str>>, Arc<AtomicUsize>);

impl Scripted {
    /// A resolver that nobody asks, because the URLs have no names.
    pub(super) fn never() -> Self {
        Scripted(vec![vec![]], Arc::default())
    }
}

impl Lookup for Scripted {
    fn look_up(&self, _: &str) -> Looked {
        let turn = self.1.fetch_add(1, Relaxed);
        let found = self.0[turn % self.0.len()].iter().map(|address| address.parse::<IpAddr>().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }
}

fn courier(answers: &[&[&'static str]]) -> (HttpCourier, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    (HttpCourier::new(Scripted(answers, Arc::clone(&asked)), TIMEOUT).unwrap(), asked)
}

pub(super) async fn post(courier: &HttpCourier, url: &str) -> Answer {
    let headers =
        [("webhook-id", "msg_1".to_owned()), ("webhook-timestamp", "1".into()), ("webhook-signature", "v1,".into())];
    courier.post(&EndpointUrl::read(url, EndpointNetwork::Loopback).unwrap(), headers, "{}").await
}

pub(super) fn status(status: u16) -> Answer {
    Answer::Status { status, retry_after: None }
}

#[tokio::test]
async fn a_server_that_behaves_badly_costs_one_attempt_and_no_more_than_its_time() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = "end_x".parse().unwrap();
    let (courier, _) = courier(&[&[]]);
    for (behaviour, answer) in [
        (Behaviour::Status(200), status(200)),
        (Behaviour::Status(204), status(204)),
        (Behaviour::Status(410), status(410)),
        (Behaviour::Status(500), status(500)),
        (Behaviour::Wait(7), Answer::Status { status: 503, retry_after: Some(7) }),
        // The courier follows no redirect.
        (Behaviour::Redirect, status(302)),
        (Behaviour::Hang, Answer::Failed(Failure::TimedOut)),
        // The head of the response has said all that counts.
        (Behaviour::Drip, status(200)),
        (Behaviour::Flood, status(200)),
    ] {
        receiver.behave(&endpoint, behaviour);
        let began = Instant::now();
        assert_eq!(post(&courier, &receiver.url(&endpoint)).await, answer, "{behaviour:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{behaviour:?}: {:?}", began.elapsed());
    }
    assert_eq!(receiver.arrivals(&endpoint).len(), 9);
}

/// Starts a server that sends these bytes to every client.
async fn server(says: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 1_024]).await;
            let _ = connection.write_all(says).await;
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let (courier, _) = courier(&[&[]]);
    let endless: &'static [u8] =
        Box::leak([b"HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(200_000).as_bytes()].concat().into_boxed_slice());
    for says in [&b""[..], b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 999999 No\r\n\r\n", endless] {
        let answer = post(&courier, &server(says).await).await;
        assert!(matches!(answer, Answer::Failed(Failure::Broken | Failure::NotConnected)), "{answer:?}");
    }
    assert_eq!(post(&courier, "http://127.0.0.1:1/").await, Answer::Failed(Failure::NotConnected));
}

#[tokio::test]
async fn a_name_with_an_address_that_is_not_public_is_not_asked_whatever_else_it_has() {
    for answer in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["169.254.169.254"],
        &["10.0.0.8"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["fd00:ec2::254"],
        &["64:ff9b::a9fe:a9fe"],
        &["2400:3200::1", "fe80::1"],
    ] {
        let (courier, _) = courier(&[answer]);
        let got = post(&courier, "https://hooks.example.com/").await;
        assert_eq!(got, Answer::Failed(Failure::AddressRefused), "{answer:?}");
    }
    let (courier, _) = courier(&[&[]]);
    assert_eq!(post(&courier, "https://hooks.example.com/").await, Answer::Failed(Failure::Unresolved));
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_never_connected_to_on_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connected = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connected);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Relaxed);
        }
    });
    // The name is public at the first look-up, and this machine at the second. A connection looks it up only once.
    let (courier, asked) = courier(&[&["198.41.0.4"], &["127.0.0.1"]]);
    let url = format!("https://rebind.example.com:{port}/");
    for attempt in 0..4 {
        let answer = post(&courier, &url).await;
        let refused = answer == Answer::Failed(Failure::AddressRefused);
        assert_eq!(refused, attempt % 2 == 1, "{attempt}: {answer:?}");
    }
    assert_eq!((asked.load(Relaxed), connected.load(Relaxed)), (4, 0));
}
