//! The end of the story. What was redeemed is in the books, the month is closed, and everybody sees the same figures.

use super::{MERCHANT, Story};
use crate::{Result, StackError, client::Reply};
use mealticket_api::auth::operator::Role;
use mealticket_domain::{ProvinceMonth, Timestamp, books::CLOSE_AFTER_SECONDS};
use serde_json::{Value, json};
use std::{io::Write, time::Duration};

/// Entries of the story in the merchant's books: a redemption, its reversal, and the redemption that was reported.
const ENTRIES: usize = 3;
/// How long posting the stream may take.
const POSTED_WITHIN: Duration = Duration::from_secs(60);

impl Story<'_> {
    /// Folds the day, closes the month, and prints the statement and the bill.
    pub(super) async fn books(&mut self) -> Result<()> {
        let today = self.stack.now().province_day();
        self.wait_until_folded(&today.to_string()).await?;
        let path = format!("/v1/admin/journal?merchant_id={MERCHANT}&date={today}");
        let even = |reply: &Reply| {
            items(reply).count() == ENTRIES && items(reply).all(|entry| sum(at(entry, "postings")) == 0)
        };
        let call = self.client.get(&path).bearer(&self.finance_token()?);
        self.step("Finance reads the journal: in every entry debits are credits.", call, 200, even).await?;

        let month = ProvinceMonth::of(today);
        let closing = month.last_day().plus_days(1).starts_at().plus_seconds(CLOSE_AFTER_SECONDS);
        self.close(closing).await?;
        let call = self.client.get(&format!("/v1/statements?month={month}")).bearer(&self.merchant_token()?);
        let one = |reply: &Reply| items(reply).count() == 1;
        let listed = self.step("The month is over. The merchant finds its statement.", call, 200, one).await?;
        let id = listed.text_at("/items/0/statement_id").to_owned();

        let call = self.client.get(&format!("/v1/statements/{id}")).bearer(&self.merchant_token()?);
        let balances = |reply: &Reply| {
            let due = signed(at(at(&reply.json, "total"), "due_fen"));
            let lines: i64 =
                at(&reply.json, "lines").as_array().into_iter().flatten().map(|line| signed(at(line, "due_fen"))).sum();
            due == lines
                && signed(at(&reply.json, "opening_fen")) + due == signed(at(&reply.json, "closing_fen"))
                && due > 0
        };
        let statement = self.step("Opening and lines make the closing, to the fen.", call, 200, balances).await?;
        show(&table(&statement.json));

        let call = self.client.get(&format!("/v1/daily-bills/{today}/csv")).bearer(&self.merchant_token()?);
        let a_line_each = |reply: &Reply| reply.text.trim_end().lines().count() == 1 + ENTRIES;
        let bill = self.step("The daily bill has a line for each.", call, 200, a_line_each).await?;
        show(bill.text.trim_start_matches('\u{feff}'));

        let call =
            self.client.post(&format!("/v1/statements/{id}/confirm"), &json!({})).bearer(&self.merchant_token()?);
        let confirmed = |reply: &Reply| reply.text_at("/status") == "confirmed";
        self.step("The merchant confirms the statement.", call, 200, confirmed).await.map(drop)
    }

    fn finance_token(&self) -> Result<String> {
        self.stack.operator_token("li.na", &[Role::Finance])
    }

    /// Waits until the day is folded. The stream is posted within seconds; a schedule folds it, and here we run that
    /// schedule at once.
    async fn wait_until_folded(&mut self, day: &str) -> Result<()> {
        let began = std::time::Instant::now();
        while began.elapsed() < POSTED_WITHIN {
            self.stack.tick(None).await?;
            let path = format!("/v1/admin/journal?merchant_id={MERCHANT}&date={day}");
            let reply = self.client.get(&path).bearer(&self.finance_token()?).send().await?;
            if items(&reply).count() >= ENTRIES {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(StackError("what happened is not in the books after a minute".to_owned()))
    }

    /// Moves the clock to the time at which the month is closed.
    async fn close(&mut self, at: Timestamp) -> Result<()> {
        self.stack.tick(Some(at.max(self.stack.now()))).await.map(drop)
    }
}

/// The value of a member of a JSON object; null when it is absent.
fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn items(reply: &Reply) -> impl Iterator<Item = &Value> {
    at(&reply.json, "items").as_array().into_iter().flatten()
}

fn signed(value: &Value) -> i64 {
    value.as_i64().unwrap_or(i64::MIN)
}

fn sum(amounts: &Value) -> i64 {
    amounts.as_object().into_iter().flatten().map(|(_, fen)| signed(fen)).sum()
}

/// A closed pipe is no reason to stop checking.
fn show(text: &str) {
    let indented: String = text.trim_end().lines().map(|line| format!("    {line}\n")).collect();
    let _ = std::io::stdout().lock().write_all(indented.as_bytes());
}

/// Prints a statement for a person, in yuan.
fn table(statement: &Value) -> String {
    let yuan = |fen: &Value| {
        let fen = signed(fen);
        format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.abs() / 100, fen.abs() % 100)
    };
    let row = |campaign: &str, store: &str, amounts: &Value| {
        format!(
            "{campaign:<10} {store:<16} {:>8} {:>8} {:>10} {:>10} {:>10}\n",
            at(amounts, "redeemed").to_string(),
            at(amounts, "reversed").to_string(),
            yuan(at(amounts, "payable_fen")),
            yuan(at(amounts, "co_funding_fen")),
            yuan(at(amounts, "due_fen"))
        )
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut table = format!(
        "{} no. {} {:>54}\n{:<10} {:<16} {:>8} {:>8} {:>10} {:>10} {:>10}\n",
        text(at(statement, "statement_id")),
        at(statement, "no"),
        format!("opening {}", yuan(at(statement, "opening_fen"))),
        "campaign",
        "store",
        "redeemed",
        "reversed",
        "payable",
        "own share",
        "due"
    );
    for line in at(statement, "lines").as_array().into_iter().flatten() {
        table += &row(&text(at(line, "campaign_id")), &text(at(line, "store_id")), line);
    }
    table += &row("together", "", at(statement, "total"));
    table + &format!("{:>78}\n", format!("closing {}", yuan(at(statement, "closing_fen"))))
}
