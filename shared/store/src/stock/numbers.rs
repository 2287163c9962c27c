//! Member numbers, taken from the table in blocks.

use crate::{
    Members, Stock,
    stock::keys,
    table::{
        attributes::{Reader, number},
        calls::Write,
        error::StoreError,
    },
};
use mealticket_domain::MemberNo;
use tokio::sync::Mutex;

/// Numbers taken from the table at once. 64 of 17 billion are lost with every environment that ends. A thousand
/// environments a day lose 7 % of the range in fifty years.
const BLOCK: u64 = 64;

/// The rest of this environment's block of member numbers.
#[derive(Default)]
pub(crate) struct NumberBlock(Mutex<std::ops::Range<u64>>);

impl Stock {
    /// The next member number. No number is given twice, unless the table is restored to an earlier time; a lost answer
    /// skips a block.
    ///
    /// Cost: 1 UpdateItem, 1 W, for every 64.
    pub(crate) async fn next_member_number(&self) -> Result<MemberNo, StoreError> {
        let mut block = self.leased.numbers.0.lock().await;
        if block.is_empty() {
            *block = self.lease_numbers().await?;
        }
        let next = block.next().ok_or(StoreError::Corrupt { item: "member numbers", attribute: "next" })?;
        MemberNo::try_from(next).map_err(|_| StoreError::Corrupt { item: "member numbers", attribute: "next" })
    }

    /// The next member number that no member has. Where the block's next number is taken, the rest of the block most
    /// likely is, so all of it is dropped.
    ///
    /// Cost: 1 UpdateItem, 1 W, and 1 GetItem in `members`, 1 R, for every 64 numbers that are passed over.
    pub(crate) async fn next_free_member_number(&self, members: &Members) -> Result<MemberNo, StoreError> {
        loop {
            let next = self.next_member_number().await?;
            if members.read_profile(next).await?.is_none() {
                return Ok(next);
            }
            *self.leased.numbers.0.lock().await = 0..0;
        }
    }

    /// Takes the next block. The update has no condition: a repeat after a lost answer takes another
    /// block, and leaves a gap.
    async fn lease_numbers(&self) -> Result<std::ops::Range<u64>, StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::member_numbers().attributes()))
            .update_expression("ADD next_number :block")
            .expression_attribute_values(":block", number(BLOCK));
        let Write::Done(item) = self.table.update(call).await? else {
            return Err(StoreError::Corrupt { item: "member numbers", attribute: "pk" });
        };
        let end: u64 = Reader::new(&item, "member numbers").number("next_number")?;
        Ok(end.saturating_sub(BLOCK)..end)
    }
}
