//! The calls that we make, and what follows when one of them gets no answer.
//!
//! A write whose answer is lost may have happened, may still happen, or may never happen. A read does not show which, because a
//! late write can land after the read. So [`Table`] repeats a guarded write, identical, until the table either does it
//! or refuses it. The refusal carries the item (`ALL_OLD`), which shows whether our own write stands there.
//!
//! The SDK's own retries are off. They would hide that an earlier attempt may have been applied.
//!
//! How an attempt that has no outcome is counted:
//!
//! - *Not applied*: throttled, or in conflict. The call is repeated after a pause.
//! - *Unknown*: no connection, no answer in time, a status of 500 or more. The call is repeated, and the caller learns
//!   that an attempt may have been applied.
//! - *Fatal*: the call itself is wrong, or not permitted. It ends at once.

use crate::table::{
    Table,
    attributes::Item,
    error::{StoreError, WasApplied},
};
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::DeleteItemError, delete_item::builders::DeleteItemFluentBuilder,
        get_item::builders::GetItemFluentBuilder, put_item::PutItemError, put_item::builders::PutItemFluentBuilder,
        query::builders::QueryFluentBuilder, scan::builders::ScanFluentBuilder, update_item::UpdateItemError,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use std::{error::Error, future::Future, time::Duration};
use tokio::time::Instant;

/// What a guarded write came to. Both are outcomes; a call without an outcome is a [`StoreError`].
pub(crate) enum Write {
    /// The table did it. For an update this is the item as it is now; for a put it is empty.
    Done(Item),
    /// Its condition failed. This is the item as it stands, if there is one.
    Refused(Option<Item>),
}

/// A page of a query or a scan: at most a megabyte, or as many items as the call's limit.
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    /// The key after which the next page begins; `None` at the end. A page may be empty and still have a next one.
    pub(crate) next: Option<Item>,
}

/// The first pause between two attempts. Each further pause is twice as long, with jitter over its whole length.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(640);

impl Table {
    /// Puts an item. The caller sets the condition; a put without one is never refused.
    ///
    /// A repeat after a lost answer can meet our own first write. Then the outcome is `Refused` with that item,
    /// and the caller compares.
    pub(crate) async fn put(&self, call: PutItemFluentBuilder) -> Result<Write, StoreError> {
        self.put_while(call, || true).await.map(|(written, _)| written)
    }

    /// A put of which no attempt is signed once `may_send` returns false.
    ///
    /// It returns also whether an attempt before the last one may have been applied. If so, the item that stands there
    /// may be our own. When `may_send` says no before an outcome, it returns `StoreError::Unavailable`.
    pub(crate) async fn put_while(
        &self,
        call: PutItemFluentBuilder,
        may_send: impl Fn() -> bool,
    ) -> Result<(Write, WasApplied), StoreError> {
        let call = call
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let attempt = || async {
            match call.clone().send().await {
                Ok(output) => {
                    self.budget().meter().count_write(output.consumed_capacity());
                    Ok(Write::Done(Item::new()))
                }
                Err(error) => match refused_put(&error) {
                    Some(item) => Ok(Write::Refused(item)),
                    None => Err(failure(error)),
                },
            }
        };
        self.definite_while(attempt, may_send).await
    }

    /// Updates an item. The outcome carries the whole item: as it is now when done, as it stands when refused.
    pub(crate) async fn update(&self, call: UpdateItemFluentBuilder) -> Result<Write, StoreError> {
        let call = prepared(call);
        self.until_definite(|| self.update_attempt(&call)).await
    }

    async fn update_attempt(&self, call: &UpdateItemFluentBuilder) -> Result<Write, Failure> {
        match call.clone().send().await {
            Ok(output) => {
                self.budget().meter().count_write(output.consumed_capacity());
                Ok(Write::Done(output.attributes.unwrap_or_default()))
            }
            Err(error) => match refused_update(&error) {
                Some(item) => Ok(Write::Refused(item)),
                None => Err(failure(error)),
            },
        }
    }

    /// Deletes an item. A delete whose condition fails has nothing to do, and is no error.
    pub(crate) async fn delete(&self, call: DeleteItemFluentBuilder) -> Result<(), StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        self.until_definite(|| async {
            match call.clone().send().await {
                Ok(output) => self.budget().meter().count_write(output.consumed_capacity()),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(failure(error)),
                },
            }
            Ok(())
        })
        .await
    }

    /// Reads one item, if it is there. Eventually consistent unless the caller says otherwise.
    pub(crate) async fn get(&self, call: GetItemFluentBuilder) -> Result<Option<Item>, StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        self.until_definite(|| async {
            let output = call.clone().send().await.map_err(failure)?;
            self.budget().meter().count_read(output.consumed_capacity());
            Ok(output.item)
        })
        .await
    }

    /// One page of a query. Eventually consistent unless the caller says otherwise.
    pub(crate) async fn query(&self, call: QueryFluentBuilder) -> Result<Page, StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        self.until_definite(|| async {
            let output = call.clone().send().await.map_err(failure)?;
            self.budget().meter().count_read(output.consumed_capacity());
            Ok(Page { items: output.items.unwrap_or_default(), next: output.last_evaluated_key })
        })
        .await
    }

    /// One page of a scan.
    pub(crate) async fn scan(&self, call: ScanFluentBuilder) -> Result<Page, StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        self.until_definite(|| async {
            let output = call.clone().send().await.map_err(failure)?;
            self.budget().meter().count_read(output.consumed_capacity());
            Ok(Page { items: output.items.unwrap_or_default(), next: output.last_evaluated_key })
        })
        .await
    }

    /// Every page of a query. Only for collections whose size has a bound of its own.
    pub(crate) async fn query_all(&self, call: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let page = self.query(call.clone().set_exclusive_start_key(from)).await?;
            items.extend(page.items);
            from = page.next;
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    /// A query of one partition, for items whose sort key begins with `prefix`.
    pub(crate) fn query_prefix(&self, pk: String, prefix: &str) -> QueryFluentBuilder {
        self.query_items()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
    }

    /// A query of one whole partition.
    pub(crate) fn query_partition(&self, pk: String) -> QueryFluentBuilder {
        let call = self.query_items().key_condition_expression("pk = :pk");
        call.expression_attribute_values(":pk", AttributeValue::S(pk))
    }

    /// A strongly consistent query of one partition, from sort key to sort key, both included.
    pub(crate) fn query_between(
        &self,
        pk: impl Into<String>,
        first: impl Into<String>,
        last: impl Into<String>,
    ) -> QueryFluentBuilder {
        let call = self.query_items().consistent_read(true);
        call.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(pk.into()))
            .expression_attribute_values(":first", AttributeValue::S(first.into()))
            .expression_attribute_values(":last", AttributeValue::S(last.into()))
    }

    /// Repeats an attempt until it has an outcome or the time is over.
    async fn until_definite<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.definite_while(attempt, || true).await.map(|(outcome, _)| outcome)
    }

    /// Repeats an attempt until it has an outcome, while `may_send` allows it. Every attempt counts as a request.
    async fn definite_while<T, F>(
        &self,
        attempt: impl Fn() -> F,
        may_send: impl Fn() -> bool,
    ) -> Result<(T, WasApplied), StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let give_up_at = self.give_up_at();
        let mut applied = WasApplied::No;
        let mut pause = PAUSE_FIRST;
        loop {
            if Instant::now() >= give_up_at || !may_send() {
                return Err(out_of_time(applied));
            }
            self.budget().meter().count_request();
            // Boxed: the SDK's futures nest so deep that the compiler would give up on ours.
            let failure = match Box::pin(attempt()).await {
                Ok(outcome) => return Ok((outcome, applied)),
                Err(failure) => failure,
            };
            if failure.kind == FailureKind::Unknown {
                applied = WasApplied::Unknown;
            }
            let jittered = pause.mul_f64(fastrand::f64());
            if failure.kind == FailureKind::Fatal || Instant::now() + jittered >= give_up_at {
                return Err(failure.unavailable(applied));
            }
            tracing::debug!(error = %failure.source, "repeating a call that got no answer");
            tokio::time::sleep(jittered).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// The error that there was no time for another attempt.
pub(crate) fn out_of_time(applied: WasApplied) -> StoreError {
    StoreError::Unavailable { applied, source: "the request is out of time".into() }
}

/// An attempt without an outcome.
struct Failure {
    kind: FailureKind,
    source: Box<dyn Error + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    /// The table refused it before it did anything: throttled, or in conflict.
    NotApplied,
    /// It was sent, and nothing is known of it.
    Unknown,
    /// It will never work.
    Fatal,
}

impl Failure {
    /// The error of a call that ends with this failure. A fatal failure is `Unexpected` only when no earlier
    /// attempt may have been applied.
    fn unavailable(self, applied: WasApplied) -> StoreError {
        match self.kind {
            FailureKind::Fatal if applied == WasApplied::No => StoreError::Unexpected { source: self.source },
            FailureKind::Unknown | FailureKind::Fatal => {
                StoreError::Unavailable { applied: WasApplied::Unknown, source: self.source }
            }
            FailureKind::NotApplied => StoreError::Unavailable { applied, source: self.source },
        }
    }
}

/// Error codes with which DynamoDB says that it did nothing (developer guide, "Error handling").
const NOT_APPLIED: [&str; 5] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "LimitExceededException",
];

fn failure<E>(error: SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::ConstructionFailure(_) => FailureKind::Fatal,
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) if NOT_APPLIED.contains(&code) => FailureKind::NotApplied,
            _ if service.raw().status().as_u16() >= 500 => FailureKind::Unknown,
            _ => FailureKind::Fatal,
        },
        _ => FailureKind::Unknown,
    };
    Failure { kind, source: Box::new(error) }
}

/// The item that stood against a put, when its condition failed.
fn refused_put(error: &SdkError<PutItemError>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(refused)) => Some(refused.item.clone()),
        _ => None,
    }
}

/// The item that stood against an update, when its condition failed.
fn refused_update(error: &SdkError<UpdateItemError>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Some(refused.item.clone()),
        _ => None,
    }
}

/// An update that returns the whole item, whatever comes of it.
fn prepared(call: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
    call.return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
}
