//! What samples of `read-books` find in the books: a day's bill, a month's statement, and a record that was put aside.

use super::{World, failed, parsed};
use crate::{Result, StackError, key_file::Employee, workspace};
use mealticket_api::auth::operator::Role;
use mealticket_domain::{
    CampaignNo, Coupon, ProvinceDay, ProvinceMonth, StoreId,
    books::{Cell, CellKey, Cells, Fold, SheetKey},
    journal::{Content, CouponEvent, Entry, Record, SetAside},
    statement::{Statement, StatementId},
};
use mealticket_store::ledger::ListedAside;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whose books.
const MERCHANT: &str = "mch_yuehui";
/// The record that was put aside.
const EVENT_ID: &str = "5a1d4c5e8f2b4e0f9d3c7a6b1e2f3a4b";
/// Its shard.
const SHARD: &str = "shardId-00000001790000000000-5a3b1c2d";

impl World<'_> {
    /// Books of yesterday and of last month, and the operators' tokens.
    pub(super) async fn books(&mut self, redeemed: &Coupon) -> Result<()> {
        let yesterday = self.now.province_day().plus_days(-1);
        let month = ProvinceMonth::of(self.now.province_day()).previous();
        let id = StatementId { merchant: parsed(MERCHANT)?, month };
        self.put("billed_day", yesterday.to_string());
        self.put("month", month.to_string());
        self.put("statement_id", id.to_string());
        self.put("set_aside_id", EVENT_ID.to_owned());
        let entry = self.entry(redeemed).await?;
        self.bill(yesterday, &entry).await?;
        self.statement(id, &entry).await?;
        self.set_aside().await?;
        self.operators()
    }

    async fn entry(&self, redeemed: &Coupon) -> Result<Entry> {
        let tables = &self.deps.tables;
        let coupon = tables.members.coupon(redeemed.key).await.map_err(failed)?.ok_or_else(|| failed("no coupon"))?;
        let entries =
            tables.catalog.entries(&coupon, &[CouponEvent::Redeemed(0)]).await.map_err(failed)?.map_err(failed)?;
        entries.into_iter().next().ok_or_else(|| failed("no entry"))
    }

    async fn bill(&self, day: ProvinceDay, entry: &Entry) -> Result<()> {
        let tables = &self.deps.tables;
        let fold = Fold {
            no: 1,
            pages: BTreeMap::new(),
            closed: None,
            closes: Some(day),
            planned_at: self.now,
            look_from: day,
            is_done: false,
        };
        let sheet = SheetKey { merchant: entry.merchant.clone(), day };
        tables.ledger.begin_fold(&fold).await.map_err(failed)?;
        tables.ledger.add_to_bill(&sheet, fold.no, std::slice::from_ref(entry)).await.map_err(failed)?;
        tables.ledger.add_to_sheet(&sheet, fold.no, cells(entry)).await.map_err(failed)?;
        tables.ledger.end_fold(&fold).await.map_err(failed)
    }

    async fn statement(&self, id: StatementId, entry: &Entry) -> Result<()> {
        let lines = Statement::lines_of(&cells(entry));
        let statement = Statement { id, no: 1, opening: 0, lines, closed_at: self.now, cut: 1 };
        self.deps.ledger.put_statement(&statement).await.map_err(failed)
    }

    /// A record that a reader of before could not read, and today's can.
    async fn set_aside(&self) -> Result<()> {
        let shard = parsed(SHARD)?;
        let raw = claimed()?;
        let aside = SetAside::new(Some(EVENT_ID), "an item of a newer kind", raw.to_string());
        let record = Record {
            seq: parsed("100")?,
            at: self.now,
            content: Content::Unreadable(aside.clone()),
            entries: Vec::new(),
        };
        let tables = &self.deps.tables;
        tables.ledger.post(&shard, vec![record]).await.map_err(failed)?;
        let id = EVENT_ID.to_owned();
        let listed = ListedAside { id, shard, page: 1, reason: aside.reason, at: self.now, posted: None };
        tables.ledger.list_aside(&listed).await.map_err(failed)
    }

    fn operators(&mut self) -> Result<()> {
        for (name, role) in [
            ("finance_token", Role::Finance),
            ("auditor_token", Role::Auditor),
            ("admin_token", Role::ProvinceAdmin),
            ("reviewer_token", Role::Reviewer),
        ] {
            let provider = &self.deps.stack.config.operators;
            let key = self.keys.operators()?;
            let province = self.deps.stack.config.province;
            let employee = Employee { name: "sample", roles: &[role], province: province.code(), cities: &[] };
            let token = key.token(provider, &employee, self.now)?;
            self.put(name, token);
        }
        Ok(())
    }
}

fn cells(entry: &Entry) -> Cells {
    let (campaign, store): (CampaignNo, StoreId) = (entry.event.coupon.campaign, entry.store.clone());
    let key = CellKey { campaign, store: Some(store), channel: entry.channel.clone() };
    Cells::from([(key, Cell::of(entry))])
}

/// The record of a claim, as the sample of the stream has it, under the name of the one that was put aside.
fn claimed() -> Result<Value> {
    let file = workspace::root().join("events/post-ledger/posts-a-claim-a-redemption-and-a-reversal.json");
    let text = std::fs::read_to_string(&file).map_err(|error| StackError::caused(file.display(), error))?;
    let batch: Value = serde_json::from_str(&text).map_err(|error| StackError::caused(file.display(), error))?;
    let mut record = batch.pointer("/Records/0").cloned().unwrap_or_default();
    if let Some(members) = record.as_object_mut() {
        members.insert("eventID".to_owned(), EVENT_ID.into());
    }
    Ok(record)
}
