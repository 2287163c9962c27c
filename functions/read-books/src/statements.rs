//! `/v1/statements…`: a merchant's own. Another's is not found.

use crate::{
    spreadsheet::{Spreadsheet, yuan},
    views::{StatementView, co_funding, payable},
};
use mealticket_api::{ApiError, Code, Deps, Request, Response, json, views::ListView};
use mealticket_domain::{
    MerchantId, ProvinceMonth, Reason,
    books::Cell,
    statement::{Answer, AnswerDecision, StatementId, due},
};
use mealticket_store::{merchants::MerchantRecord, statements::StatementHead};
use serde::Deserialize;

/// A merchant who reads.
pub(crate) struct Reader<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) merchant: &'a MerchantRecord,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmRequest {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisputeRequest {
    reason: String,
}

impl Reader<'_> {
    /// The merchant's statements, the newest first; of one month with `month`.
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, ApiError> {
        request.only_query(&["month", "limit", "cursor"])?;
        list(self.deps, &self.merchant.merchant.id, request).await
    }

    pub(crate) async fn read(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        request.only_query(&[])?;
        Response::ok(&StatementView::whole(&self.own(id).await?))
    }

    pub(crate) async fn export(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        request.only_query(&[])?;
        let head = self.own(id).await?;
        Response::csv(self.spreadsheet(&head).await?, &format!("{}.csv", head.statement.id), None)
    }

    pub(crate) async fn confirm(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        let ConfirmRequest {} = json::read(request.body()?)?;
        self.answer(id, Answer::Confirmed { at: self.deps.now() }).await
    }

    pub(crate) async fn dispute(&self, request: &Request, id: &str) -> Result<Response, ApiError> {
        let DisputeRequest { reason } = json::read(request.body()?)?;
        let reason: Reason = json::parsed("reason", &reason)?;
        self.answer(id, Answer::Disputed { at: self.deps.now(), reason }).await
    }

    async fn answer(&self, id: &str, said: Answer) -> Result<Response, ApiError> {
        let mut head = self.own(id).await?;
        let (decision, standing) = self.deps.store.answer_statement(&head.statement.id, &said).await?;
        match decision {
            AnswerDecision::Record | AnswerDecision::Repeat => {
                head.answer = Some(standing);
                Response::ok(&StatementView::listed(&head))
            }
            AnswerDecision::AlreadyConfirmed => Err(Code::StatementConfirmed.into()),
            AnswerDecision::AlreadyDisputed => Err(Code::StatementDisputed.into()),
        }
    }

    async fn own(&self, id: &str) -> Result<StatementHead, ApiError> {
        let missing = || ApiError::from(Code::StatementNotFound);
        let id: StatementId = id.parse().map_err(|_| missing())?;
        if id.merchant != self.merchant.merchant.id {
            return Err(missing());
        }
        self.deps.store.statement(&id).await?.ok_or_else(missing)
    }

    /// The name of one of the merchant's stores; its id when the catalog no longer has it.
    pub(crate) fn store_name<'b>(&'b self, id: &'b mealticket_domain::StoreId) -> &'b str {
        let known = self.merchant.merchant.stores.iter().find(|store| store.store_id == *id);
        known.map_or(id.as_str(), |store| &store.name)
    }

    async fn spreadsheet(&self, head: &StatementHead) -> Result<String, ApiError> {
        let statement = &head.statement;
        let mut file = Spreadsheet::new();
        file.row(["结算单", &statement.id.to_string()])?;
        file.row(["商户", &self.merchant.merchant.name])?;
        file.row(["账期", &statement.id.month.to_string()])?;
        file.row(["序号", &statement.no.to_string()])?;
        file.row(["出单时间", &statement.closed_at.province_clock()])?;
        file.row(["期初余额（元）", &yuan(statement.opening)])?;
        file.row([""])?;
        file.row([
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
        for (key, cell) in &statement.lines {
            let campaign = self.deps.store.campaign(key.campaign).await?;
            let name = campaign.as_ref().map_or("", |campaign| &campaign.terms.name);
            let names = [&key.campaign.to_string(), name, key.store.as_str(), self.store_name(&key.store)];
            file.row(names.into_iter().map(str::to_owned).chain(amounts(cell)))?;
        }
        file.row(["合计", "", "", ""].into_iter().map(str::to_owned).chain(amounts(&statement.total())))?;
        file.row([""])?;
        file.row(["期末余额（元）", &yuan(head.closing)])?;
        file.finish()
    }
}

/// Counts and amounts of a row.
fn amounts(cell: &Cell) -> [String; 7] {
    [
        cell.redeemed.to_string(),
        cell.reversed.to_string(),
        yuan(cell.order_value),
        yuan(cell.discount),
        yuan(payable(&cell.postings)),
        yuan(co_funding(&cell.postings)),
        yuan(due(&cell.postings)),
    ]
}

/// Any merchant's statements, for the operator.
pub(crate) async fn list_of_merchant(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["merchant_id", "month", "limit", "cursor"])?;
    let merchant = request.query("merchant_id").ok_or_else(|| ApiError::malformed("merchant_id"))?;
    list(deps, &json::parsed("merchant_id", merchant)?, request).await
}

async fn list(deps: &Deps, merchant: &MerchantId, request: &Request) -> Result<Response, ApiError> {
    let limit = usize::from(request.page_limit()?);
    let month: Option<ProvinceMonth> = json::parsed_if("month", request.query("month"))?;
    let before: Option<ProvinceMonth> = json::parsed_if("cursor", request.query("cursor"))?;
    if let Some(month) = month {
        let head = deps.store.statement_head(&StatementId { merchant: merchant.clone(), month }).await?;
        return Response::ok(&ListView { items: head.iter().map(StatementView::listed).collect(), next: None });
    }
    let heads = deps.store.statements(merchant, before, limit).await?;
    let next = heads.last().filter(|_| heads.len() == limit).map(|last| last.statement.id.month.to_string());
    Response::ok(&ListView { items: heads.iter().map(StatementView::listed).collect(), next })
}
