//! Statements (S2): written once, in parts, with the merchant's answer beside them.

use crate::{
    Ledger,
    ledger::{keys, sheets},
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        calls::Write,
        clauses::{EXISTS, IS_NEW},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    CampaignNo, MerchantId, ProvinceMonth,
    books::{Cell, CellKey, Cells},
    statement::{Answer, AnswerDecision, Dispute, LineKey, Statement, StatementId, decide_answer},
};

use std::collections::BTreeMap;

/// Items of lines that are read at once.
const PARTS: i32 = 4;

/// Lines of one item: as many as a part of a sheet has cells.
const CHUNK: usize = mealticket_domain::books::SHEET_CELLS_MAX;

/// Some lines of a statement, and where it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementLines {
    /// The lines, by campaign and store.
    pub lines: BTreeMap<LineKey, Cell>,
    /// The part that comes next; `None` at the end.
    pub next: Option<u16>,
}

/// A statement as it is listed: without its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementHead {
    /// The statement; it has no lines here.
    pub statement: Statement,
    /// All its lines together.
    pub total: Cell,
    /// Fen that are owed to the merchant after it, those of earlier months included. Below zero the merchant owes.
    pub closing: i64,
    /// Whether the message that it is closed has been queued for the merchant's endpoints.
    pub is_announced: bool,
    /// What the merchant answered; `None` when it has not answered, or the method does not read it.
    pub answer: Option<Answer>,
}

impl Ledger {
    /// Writes a statement, once. One that is there stays as it is, so of two runs at once the first stands.
    ///
    /// The head is written last, so a statement that can be found is whole. A repeat after a
    /// crash writes what is missing.
    ///
    /// Cost: 1 PutItem for each 1 000 lines and 1 more, 1 W for each KB.
    pub async fn put_statement(&self, statement: &Statement) -> Result<(), StoreError> {
        let cells: Vec<_> = statement.lines.iter().collect();
        for (number, chunk) in cells.chunks(CHUNK).enumerate() {
            let cells: Cells = chunk.iter().map(|(key, cell)| (cell_key(key), (*cell).clone())).collect();
            let packed = sheets::pack(&cells).ok_or(StoreError::Corrupt { item: "statement", attribute: "lines" })?;
            let key = keys::statement_chunk(&statement.id, number);
            let call = self.table.put_item();
            let call = call.set_item(Some(key.with(item([("lines", Some(binary(&packed)))]))));
            self.table.put(call.condition_expression(IS_NEW)).await?;
        }
        // Last: a statement that can be found is whole.
        let call = self.table.put_item();
        let call = call.set_item(Some(statement_item(statement)?)).condition_expression(IS_NEW);
        self.table.put(call).await.map(drop)
    }

    /// Writes down that the message of a statement has been queued. The caller must know that there is such a statement.
    /// Safe to repeat. The statement itself stays as it is.
    ///
    /// Cost: 1 UpdateItem, 1 W, also when refused.
    pub async fn note_statement_announced(&self, id: &StatementId) -> Result<(), StoreError> {
        let call = self.table.update_item().set_key(Some(keys::statement(id).attributes()));
        let call = call.update_expression("SET is_announced = :true").condition_expression(EXISTS);
        self.table.update(call.expression_attribute_values(":true", AttributeValue::Bool(true))).await.map(drop)
    }

    /// A statement without its lines, with its answer; `None` when there is none. Strongly consistent.
    ///
    /// Cost: 2 GetItem, 2 R.
    pub async fn read_statement_head(&self, id: &StatementId) -> Result<Option<StatementHead>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let Some(item) = self.table.get(call.set_key(Some(keys::statement(id).attributes()))).await? else {
            return Ok(None);
        };
        let mut head = read_statement(&id.merchant, &item)?;
        head.answer = self.read_answer_of(id).await?;
        Ok(Some(head))
    }

    /// A statement with all its lines, and its answer. Strongly consistent.
    ///
    /// Cost: 2 GetItem, 2 R; and 1 Query for every 4 parts, 1 R for each 4 KB.
    pub async fn read_statement(&self, id: &StatementId) -> Result<Option<StatementHead>, StoreError> {
        let Some(mut head) = self.read_statement_head(id).await? else { return Ok(None) };
        let mut next = Some(0);
        while let Some(part) = next {
            let found = self.read_statement_lines(id, part).await?;
            head.statement.lines.extend(found.lines);
            next = found.next;
        }
        Ok(Some(head))
    }

    /// The lines of a statement from one of its parts on: as many as are read at once, at most four
    /// thousand. Strongly consistent.
    ///
    /// A part that is past the end has no lines. Cost: 1 Query, 1 R for each 4 KB.
    pub async fn read_statement_lines(&self, id: &StatementId, part: u16) -> Result<StatementLines, StoreError> {
        let first = keys::statement_chunk(id, part.into());
        let found = self.table.query(self.table.query_between(first.pk, first.sk, "~").limit(PARTS)).await?;
        let mut lines = StatementLines::default();
        for item in &found.items {
            let read = Reader::new(item, "statement");
            let cells = sheets::unpack(read.bytes("lines")?).ok_or_else(|| read.corrupt("lines"))?;
            lines.lines.extend(Statement::lines_of(&cells));
        }
        let read = u16::try_from(found.items.len()).unwrap_or(u16::MAX);
        lines.next = found.next.is_some().then(|| part.saturating_add(read));
        Ok(lines)
    }

    /// A merchant's newest statement before a month, without lines and without its answer; `None` when there is
    /// none. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R.
    pub async fn read_statement_before(
        &self,
        merchant: &MerchantId,
        month: ProvinceMonth,
    ) -> Result<Option<StatementHead>, StoreError> {
        let call = self.table.query_items().consistent_read(true);
        let call = call.key_condition_expression("pk = :pk AND sk < :month").scan_index_forward(false).limit(1);
        let call = call.expression_attribute_values(":pk", text(keys::statements(merchant)));
        let call = call.expression_attribute_values(":month", text(month.to_string()));
        self.table.query(call).await?.items.first().map(|item| read_statement(merchant, item)).transpose()
    }

    /// A merchant's statements, the newest first, with their answers and without lines: at most `limit` of them before
    /// `before`. Strongly consistent.
    ///
    /// Cost: 1 Query, 1 R, and 1 GetItem, 1 R, for each.
    pub async fn list_statements(
        &self,
        merchant: &MerchantId,
        before: Option<ProvinceMonth>,
        limit: usize,
    ) -> Result<Vec<StatementHead>, StoreError> {
        let call = self.table.query_partition(keys::statements(merchant)).scan_index_forward(false);
        let call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX)).consistent_read(true);
        let from = before.map(|month| keys::statement(&StatementId { merchant: merchant.clone(), month }).attributes());
        let items = self.table.query(call.set_exclusive_start_key(from)).await?.items;
        let mut heads = Vec::with_capacity(items.len());
        for item in &items {
            let mut head = read_statement(merchant, item)?;
            head.answer = self.read_answer_of(&head.statement.id).await?;
            heads.push(head);
        }
        Ok(heads)
    }

    /// The merchant's answer to a statement, if it has answered. Strongly consistent.
    async fn read_answer_of(&self, id: &StatementId) -> Result<Option<Answer>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let item = self.table.get(call.set_key(Some(keys::statement_answer(id).attributes()))).await?;
        item.as_ref().map(read_answer).transpose()
    }

    /// Writes down what a merchant answers to a statement, when it may. It returns the decision
    /// and the answer that stands.
    ///
    /// A confirmation may follow a dispute; no other answer follows another. Of two answers at once one is
    /// recorded, and the other is judged by it. Safe to repeat: the same answer is `Repeat`. The caller must know
    /// that there is such a statement.
    ///
    /// Cost: 1 GetItem, 1 R, and 1 PutItem, 1 W, when it is recorded; 1 refused W more for each lost race.
    pub async fn answer_statement(
        &self,
        id: &StatementId,
        said: &Answer,
    ) -> Result<(AnswerDecision, Answer), StoreError> {
        let mut standing = self.read_answer_of(id).await?;
        loop {
            match (decide_answer(standing.as_ref(), said), standing) {
                (AnswerDecision::Record(answer), known) => {
                    let call = self.table.put_item();
                    let call = call.set_item(Some(keys::statement_answer(id).with(answer_item(&answer))));
                    // ANSWER_IS_AS_SEEN: nobody answered since the answer was read.
                    let call = match known {
                        None => call.condition_expression(IS_NEW),
                        Some(_) => call
                            .condition_expression("answer = :disputed")
                            .expression_attribute_values(":disputed", text(DISPUTED)),
                    };
                    match self.table.put(call).await? {
                        Write::Done(_) => return Ok((AnswerDecision::Record(answer.clone()), answer)),
                        Write::Refused(item) => standing = item.as_ref().map(read_answer).transpose()?,
                    }
                }
                (decision, known) => return Ok((decision, known.unwrap_or_else(|| said.clone()))),
            }
        }
    }

    /// Writes down that a month's days are all closed, and by which fold. Safe to repeat: a month that
    /// is due or done stays so.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn note_month_due(&self, month: ProvinceMonth, cut: u64) -> Result<(), StoreError> {
        let call = self.table.put_item();
        let due = item([("cut", Some(number(cut))), ("is_done", Some(AttributeValue::Bool(false)))]);
        self.table
            .put(call.set_item(Some(keys::closed_month(month).with(due))).condition_expression(IS_NEW))
            .await
            .map(drop)
    }

    /// The months whose statements are still to be made, oldest first, with the fold that closed
    /// each. Strongly consistent.
    ///
    /// It reads all closed months, because any of them may still be due after a long pause. Cost: 1 Query, 1 R for each
    /// 4 KB: about five years of months.
    pub async fn list_months_due(&self) -> Result<Vec<(ProvinceMonth, u64)>, StoreError> {
        let call = self.table.query_partition(keys::CLOSED_MONTHS.to_owned()).consistent_read(true);
        let mut due = Vec::new();
        for item in &self.table.query_all(call).await? {
            let read = Reader::new(item, "closed month");
            if !read.flag("is_done")? {
                due.push((read.parsed("sk")?, read.number("cut")?));
            }
        }
        Ok(due)
    }

    /// Writes down that all of a month's statements are made. Safe to repeat.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn note_month_done(&self, month: ProvinceMonth, cut: u64) -> Result<(), StoreError> {
        let call = self.table.put_item();
        let done = item([("cut", Some(number(cut))), ("is_done", Some(AttributeValue::Bool(true)))]);
        self.table.put(call.set_item(Some(keys::closed_month(month).with(done)))).await.map(drop)
    }
}

/// A line in the form of a sheet's cell, so that both are packed alike.
fn cell_key(line: &LineKey) -> CellKey {
    CellKey { campaign: line.campaign, store: Some(line.store.clone()), channel: None }
}

fn statement_item(statement: &Statement) -> Result<Item, StoreError> {
    let total = sheets::pack(&Cells::from([(all_lines()?, statement.total())]));
    let total = total.ok_or(StoreError::Corrupt { item: "statement", attribute: "total" })?;
    Ok(keys::statement(&statement.id).with(item([
        ("no", Some(number(statement.no))),
        ("opening", Some(number(statement.opening))),
        ("total", Some(binary(&total))),
        ("closing", Some(number(statement.closing()))),
        ("closed_at", Some(instant(statement.closed_at))),
        ("cut", Some(number(statement.cut))),
    ])))
}

/// The key of the one cell that all lines come to.
fn all_lines() -> Result<CellKey, StoreError> {
    let campaign =
        CampaignNo::try_from(0).map_err(|_| StoreError::Corrupt { item: "statement", attribute: "total" })?;
    Ok(CellKey { campaign, store: None, channel: None })
}

fn read_statement(merchant: &MerchantId, item: &Item) -> Result<StatementHead, StoreError> {
    let read = Reader::new(item, "statement");
    let statement = Statement {
        id: StatementId { merchant: merchant.clone(), month: read.parsed("sk")? },
        no: read.number("no")?,
        opening: read.number("opening")?,
        lines: Default::default(),
        closed_at: read.instant("closed_at")?,
        cut: read.number("cut")?,
    };
    let total = sheets::unpack(read.bytes("total")?).and_then(|cells| cells.into_values().next());
    let total = total.ok_or_else(|| read.corrupt("total"))?;
    // Statements of older releases lack the attribute. Their message is queued once more, under the same name.
    let is_announced = read.optional("is_announced", |read, name| read.flag(name))?.unwrap_or(false);
    Ok(StatementHead { statement, total, closing: read.number("closing")?, is_announced, answer: None })
}

const CONFIRMED: &str = "confirmed";
const DISPUTED: &str = "disputed";

fn answer_item(answer: &Answer) -> Item {
    let (said, confirmed_at, dispute) = match answer {
        Answer::Confirmed { at, after } => (CONFIRMED, Some(at), after.as_ref()),
        Answer::Disputed(dispute) => (DISPUTED, None, Some(dispute)),
    };
    item([
        ("answer", Some(text(said))),
        ("confirmed_at", confirmed_at.map(|at| instant(*at))),
        ("disputed_at", dispute.map(|dispute| instant(dispute.at))),
        ("reason", dispute.map(|dispute| text(dispute.reason.as_str()))),
    ])
}

fn read_answer(item: &Item) -> Result<Answer, StoreError> {
    let read = Reader::new(item, "answer");
    let dispute = match read.optional("disputed_at", |read, name| read.instant(name))? {
        Some(at) => Some(Dispute { at, reason: read.parsed("reason")? }),
        None => None,
    };
    match (read.str("answer")?, dispute) {
        (CONFIRMED, after) => Ok(Answer::Confirmed { at: read.instant("confirmed_at")?, after }),
        (DISPUTED, Some(dispute)) => Ok(Answer::Disputed(dispute)),
        _ => Err(read.corrupt("answer")),
    }
}
