//! `/v1/statements…`: a merchant's own statements. Another merchant's are not found.

use crate::{
    Deps,
    spreadsheet::{Cell, Spreadsheet, text},
};
use mealticket_api::{
    ApiError, Code, Request, Response, json, lists,
    views::statement::{StatementView, co_funding, payable},
};
use mealticket_domain::{
    DisputeReason,
    books::Cell as Sums,
    statement::{Answer, AnswerDecision, Dispute, StatementId, due},
};
use mealticket_store::{
    catalog::MerchantRecord,
    ledger::{StatementHead, StatementLines},
};
use serde::Deserialize;

/// A merchant who reads.
pub(crate) struct Reader<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) merchant: &'a MerchantRecord,
}

/// Why a merchant disputes a statement: 1 to 96 bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisputeRequest {
    reason: String,
}

impl Reader<'_> {
    /// The merchant's statements, the newest first; with `month`, the one of that month. Refused with
    /// `malformed_request`: a parameter out of its bounds.
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, ApiError> {
        request.only_query(&["month", "limit", "cursor"])?;
        let month = json::parsed_if("month", request.query("month"))?;
        lists::statements(&self.deps.ledger, &self.merchant.merchant.id, month, request).await
    }

    /// A statement with some of its lines: all of them, when they are at most four thousand. It never changes; the
    /// merchant's answer beside it may.
    ///
    /// Refusals, in order: `malformed_request`, `statement_not_found`.
    pub(crate) async fn read(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        let (head, lines) = self.with_lines(request, id).await?;
        Response::ok(&StatementView::with_lines(&head, &lines))
    }

    /// The same as a spreadsheet, with the same refusals. The `Link` header names the next file, when there is one.
    pub(crate) async fn export(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        let (head, lines) = self.with_lines(request, id).await?;
        let id = &head.statement.id;
        let next = lines.next.map(|part| format!("/v1/statements/{id}/csv?cursor={part}"));
        Response::csv(self.spreadsheet(&head, &lines).await?, &format!("{id}.csv"), next.as_deref())
    }

    /// Records that the statement is right. That ends the matter, also after a dispute.
    ///
    /// Refusals, in order: `body_too_large`, `malformed_request`, `statement_not_found`. When it answers 200, the
    /// answer is durable. A repeat gets the same answer, with the first instant.
    pub(crate) async fn confirm(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        json::read_empty(request.body()?)?;
        self.answer(id, Answer::Confirmed { at: self.deps.now(), after: None }).await
    }

    /// Records that the statement is not right, and why.
    ///
    /// Refusals, in order: `body_too_large`, `malformed_request`, `statement_not_found`, `statement_confirmed`, and
    /// `statement_disputed` when it is disputed for another reason. When it answers 200, the answer is durable. A
    /// repeat with the same reason gets the same answer.
    pub(crate) async fn dispute(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        let DisputeRequest { reason } = json::read(request.body()?)?;
        let reason: DisputeReason = json::parsed("reason", &reason)?;
        self.answer(id, Answer::Disputed(Dispute { at: self.deps.now(), reason })).await
    }

    /// Records an answer, and shows the statement with the one that stands.
    async fn answer(&self, id: &str, said: Answer) -> Result<Response, ApiError> {
        let mut head = self.own(id).await?;
        let (decision, standing) = self.deps.ledger.answer_statement(&head.statement.id, &said).await?;
        match decision {
            AnswerDecision::Record(_) | AnswerDecision::Repeat => {
                head.answer = Some(standing);
                Response::ok(&StatementView::listed(&head))
            }
            AnswerDecision::AlreadyConfirmed => Err(Code::StatementConfirmed.into()),
            AnswerDecision::AlreadyDisputed => Err(Code::StatementDisputed.into()),
        }
    }

    /// A statement of the merchant's, or `statement_not_found`.
    async fn own(&self, id: &str) -> Result<StatementHead, ApiError> {
        let missing = || ApiError::from(Code::StatementNotFound);
        let id: StatementId = id.parse().map_err(|_| missing())?;
        if id.merchant != self.merchant.merchant.id {
            return Err(missing());
        }
        self.deps.ledger.read_statement_head(&id).await?.ok_or_else(missing)
    }

    /// A statement, and its lines from the part that the cursor names.
    async fn with_lines(&self, request: &Request, id: &str) -> Result<(StatementHead, StatementLines), ApiError> {
        request.only_query(&["cursor"])?;
        let part: u16 = json::parsed_if("cursor", request.query("cursor"))?.unwrap_or(0);
        let head = self.own(id).await?;
        let lines = self.deps.ledger.read_statement_lines(&head.statement.id, part).await?;
        Ok((head, lines))
    }

    /// The name of one of the merchant's stores, or its id when the catalog no longer has it.
    pub(crate) fn store_name<'b>(&'b self, id: &'b mealticket_domain::StoreId) -> &'b str {
        let known = self.merchant.merchant.stores.iter().find(|store| store.store_id == *id);
        known.map_or(id.as_str(), |store| &store.name)
    }

    /// The statement as CSV. The totals follow the last lines, so a file that is not the last has none.
    async fn spreadsheet(&self, head: &StatementHead, lines: &StatementLines) -> Result<String, ApiError> {
        let statement = &head.statement;
        let mut file = Spreadsheet::new();
        file.texts(&["结算单", &statement.id.to_string()])?;
        file.texts(&["商户", &self.merchant.merchant.name])?;
        file.texts(&["账期", &statement.id.month.to_string()])?;
        file.row([text("序号"), Cell::Count(statement.no.into())])?;
        file.texts(&["出单时间", &statement.closed_at.province_clock()])?;
        file.row([text("期初累计应结（元）"), Cell::Amount(statement.opening)])?;
        file.texts(&[""])?;
        file.texts(&[
            "活动编号",
            "活动名称",
            "门店编号",
            "门店名称",
            "核销笔数",
            "撤销笔数",
            "订单金额（元）",
            "优惠金额（元）",
            "应付商户（元）",
            "商户承担（元）",
            "本期应结（元）",
        ])?;
        for (key, sums) in &lines.lines {
            let campaign = self.deps.catalog.read_campaign(key.campaign).await?;
            let name = campaign.as_ref().map_or("", |campaign| &campaign.terms.name);
            let names = [&key.campaign.to_string(), name, key.store.as_str(), self.store_name(&key.store)];
            file.row(names.into_iter().map(text).chain(amounts(sums)))?;
        }
        if lines.next.is_none() {
            file.row(["合计", "", "", ""].into_iter().map(text).chain(amounts(&head.total)))?;
            file.texts(&[""])?;
            file.row([text("期末累计应结（元）"), Cell::Amount(head.closing)])?;
        }
        file.finish()
    }
}

/// Counts and amounts of a row.
fn amounts(sums: &Sums) -> [Cell; 7] {
    [
        Cell::Count(sums.redeemed),
        Cell::Count(sums.reversed),
        Cell::Amount(sums.order_value),
        Cell::Amount(sums.discount),
        Cell::Amount(payable(&sums.postings)),
        Cell::Amount(co_funding(&sums.postings)),
        Cell::Amount(due(&sums.postings)),
    ]
}
