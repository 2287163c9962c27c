#!/usr/bin/env python3
"""Breaks the code on purpose, one place at a time, and records which tests notice.

    python3 tests/proof/mutations.py [--only PATTERN] [--list]

Works on a copy of the repository beside its own target directory (MUTANTS_DIR, default target/mutants), so the checkout is
never touched. A mutation whose text is not found exactly once is an error: the list follows the code. Writes
docs/MUTATIONS.md; with --only, the other rows stay as they were.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs/MUTATIONS.md"
DOMAIN, STORE, API = "shared/domain/src/", "shared/store/src/", "shared/api/src/"

# What is broken, where, and how. Each mutation changes one decision that keeps a promise.
MUTATIONS = [
    # claim
    ("a claim that is refused after the put keeps its unit", STORE + "members/claim.rs",
     "                    unit.give_back();\n                    return Ok(outcome);", "                    unit.spent();\n                    return Ok(outcome);"),
    ("a put of unknown outcome gives its unit back", STORE + "members/claim.rs", "        drop(unit);\n    }\n    error", "        unit.give_back();\n    }\n    error"),
    ("any coupon of one's own lease counts as one's own put", STORE + "members/claim.rs",
     "if earlier == WasApplied::Unknown && same_request && taken.lease_id", "let _ = same_request;\n            if taken.lease_id"),
    ("another payload under one's key is one's own put", STORE + "members/claim.rs", " && taken.claim_fingerprint == request.fingerprint;", ";"),
    ("one's own put that was repeated is spent for certain", STORE + "members/claim.rs",
     "                drop(unit);\n                return Ok(ClaimOutcome::Claimed(taken));", "                unit.give_back();\n                return Ok(ClaimOutcome::Claimed(taken));"),
    ("a refusal is given without a look at earlier successes", STORE + "members/claim.rs",
     "        self.next(claim).await\n    }\n\n    /// The first free", "        Ok(claim.decide(&[]).into())\n    }\n\n    /// The first free"),
    ("the same key with another payload is a replay", DOMAIN + "claims/claim.rs", "if earlier.claim_fingerprint == request.fingerprint", "if true"),
    ("the limit in all is one too many", DOMAIN + "claims/claim.rs", "if mine.len() >= usize::from(terms.per_member_limit)", "if mine.len() > usize::from(terms.per_member_limit)"),
    ("the limit of a day is one too many", DOMAIN + "claims/claim.rs", "claimed_today(mine, request) >= *limit", "claimed_today(mine, request) > *limit"),
    ("a claim takes an ordinal that is taken", DOMAIN + "claims/claim.rs", "u8::try_from(mine.len()).ok()", "u8::try_from(mine.len().saturating_sub(1)).ok()"),
    ("a refusal comes before a replay", DOMAIN + "claims/claim.rs",
     "    if let Some(earlier) = earlier_claim(mine, request) {\n        return earlier;\n    }\n    if let Err(refusal) = campaign.open_for_claims(request.now) {\n        return ClaimDecision::Refused(refusal);\n    }\n",
     "    if let Err(refusal) = campaign.open_for_claims(request.now) {\n        return ClaimDecision::Refused(refusal);\n    }\n    if let Some(earlier) = earlier_claim(mine, request) {\n        return earlier;\n    }\n"),
    ("what can still be redeemed is paid for", DOMAIN + "webhook/discrepancy.rs", "if paid.is_none() && usable", "if paid.is_none() && false && usable"),
    ("what was undone is paid for", DOMAIN + "webhook/discrepancy.rs", "spent.reversal.is_some())", "spent.reversal.is_some() && false)"),
    ("a merchant's route is open to anybody", "functions/read-deliveries/src/lib.rs", "let merchant = deps.merchant(&request).await?;",
     "let merchant = match deps.merchant(&request).await {\n        Ok(merchant) => merchant,\n        Err(_) => deps.catalog.merchant(&\"mch_luckytea\".parse().unwrap()).await?.unwrap(),\n    };"),
    ("every coupon counts as today's", DOMAIN + "claims/claim.rs", "coupon.claimed_at.province_day() == today", "coupon.claimed_at.province_day() <= today"),
    ("a rule is not asked when history is read", DOMAIN + "claims/claim.rs",
     "rule.and_then(|rule| first_failing(rule, mine, request))", "rule.filter(|_| mine.is_empty()).and_then(|rule| first_failing(rule, mine, request))"),
    ("a coupon is put whether or not the place is free", STORE + "members/coupons.rs", "call.set_item(Some(item::to_item(coupon))).condition_expression(IS_NEW)", "call.set_item(Some(item::to_item(coupon)))"),
    # stock
    ("a shard is written without looking at its sequence number", STORE + "stock/shards.rs",
     '"seq = :seen"', '"seq = :seen OR seq > :seen OR seq < :seen"'),
    ("the sequence number stands still", STORE + "stock/shards.rs", "next.seq = seq + 1;", "next.seq = seq;"),
    ("a lost lease is taken for refused", STORE + "stock/leases.rs", "Swapped::Differs(stands) if stands.leases.contains_key(&request.id) => {", "Swapped::Differs(stands) if false && stands.leases.contains_key(&request.id) => {"),
    ("the last units are sold out before they are settled", STORE + "stock/shards.rs", "(true, _) => NoUnit::Settling,", "(true, _) => NoUnit::SoldOut,"),
    ("sold out is not remembered", STORE + "stock/desk.rs", "NoUnit::SoldOut | NoUnit::DayExhausted => Duration::from_secs(2)", "NoUnit::SoldOut | NoUnit::DayExhausted => Duration::ZERO"),
    ("a unit is handed out of a lease that is being returned", STORE + "stock/desk.rs", "counts.unspent > 0 && !counts.closing && of_the_day", "counts.unspent > 0 && of_the_day"),
    ("a unit is handed out when the wall clock says it is dead", STORE + "stock/desk.rs", "wall < self.lease.from.plus_seconds(HAND_OUT_SECONDS) && self.began", "self.began"),
    ("a unit is handed out when the steady clock says it is dead", STORE + "stock/desk.rs", " && self.began.elapsed() < seconds(HAND_OUT_SECONDS)", ""),
    ("a dead lease is still signed for", STORE + "members/coupons.rs", "|| unit.is_alive(self.table.clock().now())", "|| true"),
    ("units of unknown outcome are returned", STORE + "stock/desk.rs", "kept: counts.spent + counts.unknown,", "kept: counts.spent,"),
    ("a lease with units of unknown outcome is closed", STORE + "stock/desk.rs", "if unknown > 0 { AfterReturn::Open } else { AfterReturn::Closed }", "{ let _ = unknown; AfterReturn::Closed }"),
    ("a lease is returned while requests are under way", STORE + "stock/desk.rs", "if counts.in_flight > 0 || !finished", "if !finished"),
    ("a reservation that is dropped is given back", STORE + "stock/desk.rs", "            counts.unknown += 1;", "            counts.unspent += 1;"),
    ("a day's units are handed out on another day", STORE + "stock/desk.rs", "day.is_none_or(|day| day == self.lease.from.province_day())", "day.is_none_or(|_| true)"),
    ("leases are as large as they like", DOMAIN + "claims/stock.rs", "request.demand.min(LEASE_UNITS_MAX).min(available / LEASE_PART).max(1)", "request.demand.min(available).max(1)"),
    ("a lease takes nothing from the shard", DOMAIN + "claims/stock.rs", "        shard.remaining -= units;\n", ""),
    ("a return forgets the day", DOMAIN + "claims/stock.rs", "            quota.left += back;", "            quota.left += 0 * back;"),
    ("a return gives back all", DOMAIN + "claims/stock.rs", "lease.units.saturating_sub(kept)", "lease.units.saturating_sub(0 * kept)"),
    ("a day that is over has a quota", DOMAIN + "claims/stock.rs", "Some(quota) if quota.day > today => 0,", "Some(quota) if quota.day > today => quota.left,"),
    # redeem, reverse, hold
    ("a used coupon can be used", STORE + "members/redeem.rs", '"uses_left > :zero AND attribute_not_exists(deactivated_at)"', '"(uses_left >= :zero OR uses_left < :zero) AND attribute_not_exists(deactivated_at)"'),
    ("a deactivated coupon can be used", STORE + "members/redeem.rs", '"uses_left > :zero AND attribute_not_exists(deactivated_at)"', '"uses_left > :zero"'),
    ("a coupon can be used before its time", STORE + "members/redeem.rs", '"valid_from <= :at"', '"valid_from <= :at OR valid_from > :at"'),
    ("an expired coupon can be used", STORE + "members/redeem.rs", '"valid_until > :at"', '"valid_until > :at OR valid_until <= :at"'),
    ("a coupon that is held can be used", STORE + "members/redeem.rs", "OR hold_until <= :at OR begins_with(held, :hold)", "OR hold_until <= :at OR hold_until > :at OR begins_with(held, :hold)"),
    ("a lapsed hold confirms", STORE + "members/redeem.rs", '"begins_with(held, :hold) AND hold_until > :at"', '"begins_with(held, :hold)"'),
    ("an old code works", STORE + "members/redeem.rs", '"key_version = :key_version"', '"key_version <= :key_version OR key_version > :key_version"'),
    ("a discount is of terms that nobody was shown", STORE + "members/redeem.rs", '"terms_version = :terms_version"', '"terms_version <= :terms_version OR terms_version > :terms_version"'),
    ("one key redeems twice", STORE + "members/clauses.rs", '"attribute_not_exists(#keys) OR NOT contains(#keys, :key)"', '"attribute_not_exists(#keys) OR NOT contains(#keys, :key) OR contains(#keys, :key)"'),
    ("a coupon is redeemed without end", STORE + "members/redeem.rs", '"size(redemptions) < :redemptions_max"', '"size(redemptions) < :redemptions_max OR size(redemptions) >= :redemptions_max"'),
    ("a redemption leaves the hold", STORE + "members/redeem.rs", "ADD #keys :keys REMOVE hold_until", "ADD #keys :keys"),
    ("a redemption is undone twice", STORE + "members/clauses.rs", '"attribute_not_exists(redemptions[{index}].reversal)"', '"attribute_exists(pk)"'),
    ("a reversal overlooks what came in between", STORE + "members/clauses.rs", '"size(redemptions) = :redemptions"', '"size(redemptions) >= :redemptions"'),
    ("a hold is placed over another", STORE + "members/clauses.rs", 'None => "attribute_not_exists(held)",', 'None => "attribute_exists(pk)",'),
    ("a late release ends a newer hold", STORE + "members/hold.rs", '"held = :seen_hold AND hold_until > :now"', '"(held = :seen_hold OR attribute_exists(held)) AND hold_until > :now"'),
    ("a day that is used up is so tomorrow", STORE + "stock/desk.rs", " && refusal.of_day == wall.province_day();", ";"),
    ("a hold makes a coupon last", DOMAIN + "coupons/hold.rs", ".min(coupon.valid_until),", ","),
    ("a hold's key is forgotten", DOMAIN + "coupons/hold.rs", "filter(|hold| hold.key == asked.key)", "filter(|hold| hold.key == asked.key && !hold.ended)"),
    ("a released hold counts", DOMAIN + "coupons/coupon.rs", "filter(|hold| !hold.ended && now < hold.until)", "filter(|hold| now < hold.until)"),
    ("a replay comes after the refusals", DOMAIN + "coupons/redemption.rs", "    if named.peek().is_some() {", "    if refusal(coupon, terms, request).is_none() && named.peek().is_some() {"),
    ("hours are not asked", DOMAIN + "coupons/redemption.rs", "    if let Err(next) = open_at(&terms.hours, request.at) {", "    if let Some(next) = open_at(&terms.hours, request.at).err().filter(|_| false) {"),
    ("a city's coupon is good everywhere", DOMAIN + "campaigns/terms.rs", "cities.iter().any(|named| named == city)", "cities.iter().any(|named| named == city || named != city)"),
    # journal and sweep
    ("a page is put over another", STORE + "ledger/journal.rs", "call.set_item(Some(page_item(shard, page)?)).condition_expression(IS_NEW)", "call.set_item(Some(page_item(shard, page)?))"),
    ("what was posted is posted again", STORE + "ledger/journal.rs", "record.seq > mark.to", "record.seq > mark.to || record.seq <= mark.to"),
    ("a shard's mark is forgotten when somebody else was first", STORE + "ledger/journal.rs", "                mark = None;\n                is_fresh = false;", "                break;"),
    ("a batch that is not posted is said to be", "functions/post-ledger/src/lib.rs", "Ok(response(Some(&error.from)))", "Ok(response(None))"),
    ("a record that cannot be read is left out", STORE + "catalog/records.rs", "(Content::Unreadable(SetAside::new(event_id, &reason, raw.to_string())), Vec::new())", "{ let _ = (event_id, reason, SetAside::new); (Content::Nothing, Vec::new()) }"),
    ("a record without a time is old", STORE + "catalog/records.rs", "unwrap_or(Timestamp::MAX)", "unwrap_or(Timestamp::MIN)"),
    ("a reversal is sent with every later change", DOMAIN + "books/journal/event.rs", "redemption.reversal.is_some() && !was_reversed", "redemption.reversal.is_some() && (was_reversed || !was_reversed)"),
    ("sequence numbers are compared as text", DOMAIN + "books/journal/position.rs", "self.rank().cmp(&other.rank()).then_with(|| self.0.cmp(&other.0))", "self.0.cmp(&other.0)"),
    ("what is remembered grows old by the steady clock alone", STORE + "table/clock.rs", "moment.steady.elapsed().max(Duration::from_millis(by_wall))", "moment.steady.elapsed().max(Duration::from_millis(by_wall) * 0)"),
    ("a changed limit of a day counts from midnight", DOMAIN + "claims/stock.rs", "self.taken.map_or(self.left, |taken| share.saturating_sub(taken))", "self.taken.map_or(self.left, |_| self.left.min(share))"),
    ("a lease is swept before its fence", DOMAIN + "claims/stock.rs", "now >= self.until.plus_seconds(FENCE_SECONDS)", "now >= self.until"),
    ("a lost race sends an environment to a shard it knows less of", STORE + "stock/shards.rs", "                seen.shards.insert(no, stands.clone());", "                seen.home = None;\n                seen.shards.insert(no, stands.clone());"),
    ("all of a swept lease comes back", STORE + "stock/sweep.rs", "stands.returned(fenced.id, spent, AfterReturn::Closed)", "stands.returned(fenced.id, 0 * spent, AfterReturn::Closed)"),
    ("the sweep does not read on from the mark", "functions/sweep-stock/src/proof.rs", "            count_after(stream, &of_stream, &journal, &mut tally).await?;", "            let _ = count_after;"),
    ("the sweep reads the stream from its beginning", "functions/sweep-stock/src/proof.rs", "mark.as_ref().map(|mark| &mark.to)", "mark.as_ref().map(|mark| &mark.to).filter(|_| false)"),
    ("the sweep asks for the mark after the pages", "functions/sweep-stock/src/proof.rs", "            count_after(stream,", "            let journal = Journal { mark: ledger.mark(shard).await?.or(journal.mark), pages: journal.pages };\n            count_after(stream,"),
    ("the sweep does not mind what was set aside", "functions/sweep-stock/src/proof.rs", "aside.may_be_a_claim()", "aside.may_be_a_claim() && false"),
    ("the sweep settles what is too old for proof", "functions/sweep-stock/src/lib.rs", "    fenced.retain(provable);\n", "    let _ = provable;\n"),
    # books
    ("a fold is added to a sheet twice", DOMAIN + "books/sheets.rs", "if self.fold >= fold {", "if self.fold > fold {"),
    ("a sheet is written whatever fold is in it", STORE + "ledger/sheets.rs", 'call.condition_expression("fold = :seen")', 'call.condition_expression("fold <= :seen OR fold > :seen")'),
    ("what has no place in a full part is lost", DOMAIN + "books/sheets.rs", "            !has_place\n", "            !has_place && false\n"),
    ("a backlog is lost sight of", "functions/fold-books/src/fold.rs", "if is_all { look_from.max(yesterday(today)) } else { look_from }", "look_from.max(yesterday(today))"),
    ("a day is closed while pages wait", "functions/fold-books/src/fold.rs", "day_to_close(now, closed).filter(|_| is_all)", "day_to_close(now, closed)"),
    ("a bill goes on a line too late", STORE + "ledger/bills.rs", "BillCursor { fold, chunk, had: had + room }", "BillCursor { fold, chunk, had: had + room + 1 }"),
    ("a confirmation forgets the dispute", DOMAIN + "books/statement.rs", "after: Some(dispute.clone())", "after: Some(dispute.clone()).filter(|_| false)"),
    ("a closed day is booked on", DOMAIN + "books/sheets.rs", "day.max(closed.plus_days(1))", "day.max(closed)"),
    ("a day is closed at its end", DOMAIN + "books/sheets.rs", "now.plus_seconds(-CLOSE_AFTER_SECONDS).province_day()", "now.province_day()"),
    ("a fold is planned over another", STORE + "ledger/folds.rs", "call.set_item(Some(fold_item(fold))).condition_expression(IS_NEW)", "call.set_item(Some(fold_item(fold)))"),
    ("the next fold begins before this one is done", "functions/fold-books/src/lib.rs", "Some(open) if !open.is_done => (open, None),", "Some(open) if !open.is_done && open.no == 0 => (open, None),"),
    ("a shard's mark goes back", STORE + "ledger/folds.rs", '"attribute_not_exists(pk) OR page < :page"', '"attribute_not_exists(pk) OR page < :page OR page >= :page"'),
    ("a page is put before its shard is noted", STORE + "ledger/journal.rs", "                if noted != Some(today) {", "                if noted != Some(today) && page.no > 1 {"),
    ("a statement is made anew", STORE + "ledger/statements.rs", "call.set_item(Some(statement_item(statement)?)).condition_expression(IS_NEW)", "call.set_item(Some(statement_item(statement)?))"),
    ("a statement opens with nothing", "functions/fold-books/src/statements.rs", "(before.statement.no + 1, before.closing)", "(before.statement.no + 1, 0 * before.closing)"),
    ("months before a long gap get no statement", STORE + "ledger/statements.rs", "for item in &self.table.query_all(call).await? {", "for item in self.table.query_all(call).await?.iter().rev().take(24).rev() {"),
    ("the first close forgets earlier months", DOMAIN + "books/sheets.rs", ".or(first_booked);", ".or(first_booked.filter(|_| false));"),
    ("a statement is made before the one of the month before", "functions/fold-books/src/statements.rs", "                    behind.insert(merchant.clone());\n", ""),
    ("a month is done though a statement is missing", "functions/fold-books/src/lib.rs", "            if behind.is_empty() {", "            if !behind.is_empty() || behind.is_empty() {"),
    ("a closed statement is announced at every run", "functions/fold-books/src/statements.rs", "if standing.is_announced {", "if standing.is_announced && false {"),
    ("a bill's item is larger than the table takes", STORE + "ledger/bills.rs", "deflated.len() <= CHUNK_BYTES_MAX || lines.len() == 1", "!deflated.is_empty() || lines.len() == 1"),
    ("a fold by a clock that is ahead stops the others", "functions/fold-books/src/fold.rs", "filter(|day| *day <= yesterday(today))", "filter(|_| true)"),
    ("a batch that comes again is queued again", STORE + "messages/queue.rs", "message.id.at().min(now)", "message.id.at().max(now)"),
    ("a confirmed statement can be disputed", DOMAIN + "books/statement.rs", "(Some(Answer::Confirmed { .. }), Answer::Disputed(_)) => AnswerDecision::AlreadyConfirmed,", "(Some(Answer::Confirmed { .. }), Answer::Disputed(_)) => AnswerDecision::Record(said.clone()),"),
    ("an answer is written over another", STORE + "ledger/statements.rs", "None => call.condition_expression(IS_NEW),", "None => call,"),
    ("a reversal posts as a redemption", DOMAIN + "books/journal/entry.rs", "(reversal.at, postings.reversed())", "(reversal.at, postings)"),
    ("what the shares leave over is lost", DOMAIN + "books/settlement.rs", "        postings.debit(Account::Rounding, left);\n", "        let _ = left;\n"),
    ("a commission is paid without a link", DOMAIN + "books/settlement.rs", "attribution == Attribution::ToPartner)", "attribution == Attribution::ToPartner || attribution == Attribution::ToNobody)"),
    ("a used coupon lapses", DOMAIN + "books/journal/count.rs", "coupon.uses_left > 0 && coupon.deactivated_at.is_none()", "coupon.deactivated_at.is_none()"),
    ("a posted record is posted again", STORE + "ledger/asides.rs", "        self.post(&shard, records).await", "        let shard = if listed.posted.is_some() { \"posted-again\".parse().unwrap_or(shard) } else { shard };\n        self.post(&shard, records).await"),
    ("a due entry is taken out before it is settled", "functions/deliver-webhooks/src/attempt.rs", "        let mut settled = Settled::default();\n        for message", "        let mut settled = Settled::default();\n        self.deps.store.remove_due(key).await?;\n        for message"),
    ("the next entry is put after the attempt is written", "functions/deliver-webhooks/src/attempt.rs", "        tables.messages.put_due(&again, next_at).await?;\n        delivery.next_at = Some(next_at);\n        tables.messages.settle_delivery(&delivery, now).await?;", "        delivery.next_at = Some(next_at);\n        tables.messages.settle_delivery(&delivery, now).await?;\n        tables.messages.put_due(&again, next_at).await?;"),
    ("an attempt that was made is made again", "functions/deliver-webhooks/src/attempt.rs", "if (is_over && !due.begins_anew) || made + 1 != due.attempt {", "if is_over && !due.begins_anew {"),
    ("what is given up is not listed", "functions/deliver-webhooks/src/attempt.rs", "        self.deps.messages.put_dead_letter(&delivery, now).await?;\n", ""),
    ("two workers have one part of the index", STORE + "messages/due.rs", "OR lease_until <= :now OR (holder", "OR lease_until <= :now OR lease_until > :now OR (holder"),
    ("a message is sent by two tasks of a run", "functions/deliver-webhooks/src/attempt.rs", ".insert(this.clone()) {", ".insert(this.clone()) && false {"),
    ("a delivery is written over another", STORE + "messages/deliveries.rs", "call.condition_expression(REVISION_IS_AS_SEEN).expression_attribute_values(\":seen\", number(seen))", "call"),
    ("an accepted report is paid twice", STORE + "ledger/journal.rs", 'format!("accepted-{name}")', 'format!("accepted-{name}-{}", entry.at.unix_seconds())'),
    ("a decision is changed", STORE + "messages/discrepancies.rs", "all(&[EXISTS, IS_UNDECIDED])", "EXISTS"),
    ("what was paid for the order is paid again", DOMAIN + "webhook/discrepancy.rs", "    if paid.is_some() {", "    if paid.is_some() && false {"),
    ("a redelivery leaves the discrepancy of the delivery before", "functions/accept-merchant-callback/src/effect.rs", "        Effect::Done => true,", "        Effect::Done => false,"),
    ("a report that comes again when it is done is not looked at", "functions/accept-merchant-callback/src/lib.rs", "            effect::settle_if_done(&deps, &webhook(received_at), &event).await?;\n", "            let _ = received_at;\n"),
    ("a report becomes late by our fault", "functions/accept-merchant-callback/src/lib.rs", "take_effect(&deps, &webhook(received_at), &event)", "take_effect(&deps, &webhook(deps.now().max(received_at)), &event)"),
    ("whoever writes a discrepancy down does not look again", "functions/accept-merchant-callback/src/effect.rs", "Some(key) => is_redeemed(deps, key, &report.order).await?", "Some(key) => is_redeemed(deps, key, &report.order).await? && false"),
    ("an order that was reported takes another unit at a till", DOMAIN + "coupons/redemption.rs", "filter(|(_, it)| it.amount == request.order.amount)", "filter(|_| false)"),
    ("a redemption does not ask whether its order is new", STORE + "members/redeem.rs", "NOT contains(#keys, :order)", "attribute_exists(pk) OR contains(#keys, :order)"),
    ("a redemption is adopted whoever adopted it before", STORE + "members/redeem.rs", '"redemptions[{index}].#key = :seen"', '"redemptions[{index}].#key = :seen OR attribute_exists(pk)"'),
    ("a till that adopts leaves its hold standing", STORE + "members/redeem.rs", 'if confirms { " REMOVE hold_until" }', 'if confirms && false { " REMOVE hold_until" }'),
    ("a report between two writes of a till is not seen", STORE + "members/redeem.rs", "seen.is_some_and(|seen| knows_order(seen, request))", "seen.is_some()"),
    ("an early reversal is forgotten", "functions/accept-merchant-callback/src/effect/reversal.rs", "    deps.messages.put_waiting(&waiting).await?;\n", ""),
    ("any certificate is good", "functions/deliver-webhooks/src/courier.rs", ".tls_certs_merge(roots)", ".tls_certs_merge(roots)\n            .tls_danger_accept_invalid_certs(true)"),
    ("an endpoint in trouble is not listed", "functions/deliver-webhooks/src/health.rs", "            tables.messages.list_in_trouble(merchant, id, now).await?;\n            tables.catalog.note_endpoint_fails", "            tables.catalog.note_endpoint_fails"),
    ("an endpoint that works stays listed", "functions/deliver-webhooks/src/health.rs", "            tables.messages.unlist_in_trouble(id, now).await?;\n", ""),
    ("a span of deliveries has no end", STORE + "messages/deliveries.rs", "self.until.unwrap_or(Timestamp::MAX)", "Timestamp::MAX"),
    ("an address is not checked", "functions/deliver-webhooks/src/courier.rs", "find(|address| !is_public(**address))", "find(|address| !is_public(**address) && false)"),
    ("one public address is enough", "functions/deliver-webhooks/src/courier.rs", "found.iter().find(|address| !is_public(**address))", "found.iter().take(1).find(|address| !is_public(**address))"),
    ("a redirect is followed", "functions/deliver-webhooks/src/courier.rs", ".redirect(Policy::none())", ".redirect(Policy::limited(3))"),
    ("an old secret stops at once", DOMAIN + "webhook/endpoint.rs", "until: Some(now.plus_seconds(ROTATION_SECONDS))", "until: Some(now)"),
    ("an endpoint may ask for a year", DOMAIN + "webhook/answer.rs", "seconds.clamp(0, RETRY_AFTER_SECONDS_MAX)", "seconds.max(0)"),
    ("an endpoint that works goes on failing", "functions/deliver-webhooks/src/health.rs", "            tables.catalog.note_endpoint_works(merchant, id).await?;\n", ""),
    ("a secret counts as a public key", API + "webhook/key.rs", '(SenderKey::Shared(secret), "v1") =>', '(SenderKey::Shared(secret), "v1" | "v1a") =>'),
    ("a third key counts", "functions/accept-merchant-callback/src/lib.rs", ".rev().take(ACTIVE_KEYS_MAX)", ".rev().take(ACTIVE_KEYS_MAX + 1)"),
    ("any role may read the books", API + "auth/operator.rs", "is_within && roles.iter().any(|role| self.roles.contains(role))", "is_within && (roles.iter().any(|role| self.roles.contains(role)) || !self.roles.is_empty())"),
    ("an operator's token never ends", "shared/api/src/auth/operator.rs", "claims.exp.saturating_sub(claims.iat) <= TOKEN_SECONDS_MAX;", "claims.exp >= claims.iat;"),
    ("a formula stays a formula", "functions/read-statements/src/spreadsheet.rs", "    if cell.starts_with(['=',", "    if cell.starts_with(['~',"),
    # code
    ("a code passes whose zeros are not zero", DOMAIN + "coupons/locator.rs", "if packed & ((1 << ORDINAL_SHIFT) - 1) != 0 {", "if packed == 1 {"),
    ("a code of any key version is the newest's", DOMAIN + "coupons/code.rs", "cipher.decipher(&code.symbols).map(|key| (key, *version))", "cipher.decipher(&code.symbols).map(|key| (key, self.newest_version()))"),
    ("a hold's id names any order", DOMAIN + "coupons/code.rs", "Ok((coupon, HoldTag(tag)))", "Ok((coupon, HoldTag(tag.map(|_| 0))))"),
    # who may do what
    ("a number that is taken is given again", STORE + "identities/phones.rs", "if newcomer.has_phone_of(&stands)? {", "if newcomer.has_phone_of(&stands)? || !is_new {"),
    ("a phone signs in as another phone's member", "functions/sign-up-member/src/session.rs", "if !has_phone(deps, &profile, &proven.phone)? {", "if !has_phone(deps, &profile, &proven.phone)? && false {"),
    ("an id alone redeems", "functions/accept-merchant-callback/src/effect.rs", "None => Presented::NotShown(located.key, located.key_version),", "None => Presented::Shown(located),"),
    ("a proof of a withdrawn code redeems", "functions/accept-merchant-callback/src/effect.rs", "Presented::Shown(Located { key_version: shown.key_version, ..located })", "Presented::Shown(Located { key_version: located.key_version | (shown.key_version & 0), ..located })"),
    ("a proof is good for ever", DOMAIN + "coupons/presentation.rs", "now.seconds_since(self.at) <= PROOF_SECONDS_MAX && (is_near || is_held)", "now >= Timestamp::MIN && (is_near || is_held)"),
    ("a proof is good for any instant", DOMAIN + "coupons/presentation.rs", "PROOF_SECONDS_MAX && (is_near || is_held)", "PROOF_SECONDS_MAX && (is_near || is_held || true)"),
    ("a proof is of any order", API + "proof.rs", "        subject.order_no.as_str().as_bytes(),\n", ""),
    ("a proof is of any coupon", API + "proof.rs", "        &[ordinal.get()],\n", "        &[ordinal.get() & 0],\n"),
    ("a proof is of any merchant", API + "proof.rs", "        subject.merchant.as_str().as_bytes(),\n", ""),
    ("what nobody proved is paid", DOMAIN + "webhook/discrepancy.rs", "if self.reason == CODE_REQUIRED {", "if self.reason == CODE_REQUIRED && false {"),
    ("a hold's id is alike on every coupon", DOMAIN + "coupons/locator.rs", "[&self.tweak, locator.as_bytes()].concat()", "[&self.tweak, &locator.as_bytes()[..0]].concat()"),
    ("a cashier's name is as long as it was", DOMAIN + "limits.rs", "CASHIER_BYTES_MAX: usize = 48;", "CASHIER_BYTES_MAX: usize = 192;"),
    ("an operator is one of any province", API + "auth/operator.rs", "if provinces.contains(self.province.code()) {", "if provinces.contains(self.province.code()) || !provinces.is_empty() {"),
    ("an operator of a city is one of the province", API + "auth/operator.rs", "Reach::Province => self.scope == Scope::Province,", "Reach::Province => true,"),
    ("an ID token opens what an access token does", API + "auth/operator.rs", "(!self.provider.access_tokens_only && is_any)", "is_any"),
    ("how somebody signed in is not asked", API + "auth/operator.rs", "if !good_enough.is_empty() && claims", "if false && claims"),
    ("failed challenges are forgotten", "functions/sign-up-member/src/proof.rs", "                deps.identities.note_failed_challenge(&phone_hash, challenge_id, deps.now()).await?;\n", "                let _ = phone_hash;\n"),
    ("a sign-in forgets no failed challenge", "functions/sign-up-member/src/proof.rs", "            if failed_before {", "            if failed_before && false {"),
    ("five guesses for ever", DOMAIN + "members/otp.rs", "if failed_challenges < FAILED_CHALLENGES_MAX { GUESSES_MAX } else { 1 }", "if failed_challenges < FAILED_CHALLENGES_MAX { GUESSES_MAX } else { GUESSES_MAX }"),
    ("a challenge takes five guesses whatever it was given", STORE + "identities/challenges.rs", "size(guesses) < guesses_max \\\n", "size(guesses) < :guesses_max \\\n"),
    ("a failed challenge counts each time", STORE + "identities/challenges.rs", "AttributeValue::Ss(vec![challenge_id.to_owned()])", "AttributeValue::Ss(vec![format!(\"{challenge_id}{}\", now.unix_seconds())])"),
    ("the stack's messages have no bound", "functions/sign-up-member/src/challenge.rs", "hourly(QuotaScope::Stack, part), &stack,", "hourly(QuotaScope::Stack, u32::MAX), &stack,"),
    ("the stack's refusals use up a phone's day", "functions/sign-up-member/src/challenge.rs", "            deps.identities.return_quota(by_phone, phone, message).await?;\n", ""),
    ("failed challenges that are over keep new ones out", STORE + "identities/challenges.rs", "[FailureStep::Add, FailureStep::Prolong, FailureStep::BeginAnew, FailureStep::Add]", "[FailureStep::Add, FailureStep::Prolong]"),
    ("who goes on guessing is forgotten", STORE + "identities/challenges.rs", "[FailureStep::Add, FailureStep::Prolong, FailureStep::BeginAnew, FailureStep::Add]", "[FailureStep::Add, FailureStep::BeginAnew, FailureStep::Add]"),
    ("anybody is a trusted front", API + "request.rs", "front.filter(|front| front.is_from(source))", "front"),
    ("the first address of a front's header counts", API + "request.rs", "said.iter().rev().map_while", "said.iter().map_while"),
    ("an old refresh token is good for ever", DOMAIN + "members/session.rs", "first_use.is_some_and(|at| now.seconds_since(at) <= GRACE_SECONDS)", "first_use.is_some_and(|at| now >= at)"),
    ("an old refresh token is good for no moment", DOMAIN + "members/session.rs", "now.seconds_since(at) <= GRACE_SECONDS)", "now.seconds_since(at) < 0)"),
    ("a session has no end", STORE + "identities/sessions.rs", '"began_at > :began_after OR (', '"attribute_exists(began_at) OR ('),
    ("a session of an older release learns when it began", STORE + "identities/sessions.rs", "known_since = if_not_exists(known_since, :now)", "began_at = if_not_exists(began_at, :now)"),
    ("a refresh token prolongs itself", STORE + "identities/sessions.rs", '"presented < :generation"', '"presented <= :generation"'),
    ("a sign-out of all sessions ends one", "functions/sign-up-member/src/session.rs", "if family.is_ended_by(profile.sessions_valid_from) {", "if family.is_ended_by(profile.sessions_valid_from) && false {"),
    ("a session of the same second outlives a sign-out of all", DOMAIN + "members/session.rs", "began_at <= from", "began_at < from"),
    ("a share code is not verified", API + "share.rs", "self.shares.any(&parts(&partner), is_right).then_some(partner)", "(self.shares.any(&parts(&partner), is_right) || true).then_some(partner)"),
    ("any text earns", DOMAIN + "coupons/coupon.rs", "is_some_and(|share| share.partner().is_some());", "is_some();"),
    ("an app may name any channel", API + "config.rs", "Some(channel) if !self.channels.contains(channel) => {", "Some(channel) if !self.channels.contains(channel) && false => {"),
    ("a switch for one machine counts in a cloud", API + "config/here.rs", "if !stays_here(&given) =>", "if !stays_here(&given) && false =>"),
    ("one service on this machine is enough", API + "config/here.rs", "endpoints.all(|(_, url)|", "endpoints.any(|(_, url)|"),
    ("the tables answer web pages", "infra/local/src/province/engine/api.rs", " && !headers.contains_key(header::ORIGIN)", ""),
    ("the tables answer any name", "infra/local/src/province/engine/api.rs", "    is_own && hosts", "    (is_own || true) && hosts"),
    ("the gateway answers any page", "infra/local/src/province/gateway.rs", "    if !is_allowed {", "    if !is_allowed && false {"),
    ("a page may send what needs no question", API + "request.rs", "headers.contains_key(http::header::ORIGIN) && !is_json", "headers.contains_key(http::header::ORIGIN) && !is_json && false"),
    ("a sealed value opens in another place", API + "vault.rs", ".chain(place.iter().map(|part| part.as_bytes()))", ".chain(place.iter().take(0).map(|part| part.as_bytes()))"),
    ("attributes are anybody's", API + "vault.rs", "self.open_at(Sealed::Attributes, &[\"token\", jti, sub], sealed)", "self.open_at(Sealed::Attributes, &[\"token\", jti, &sub[..0]], sealed)"),
    ("one key seals everything", API + "vault.rs", "SealRing::new(&seals.webhook_body)?", "SealRing::new(&seals.phone)?"),
    ("what the old key sealed opens for any token", API + "vault.rs", "self.before_rings.as_ref().filter(|_| kind != Sealed::Attributes)", "self.before_rings.as_ref().filter(|_| kind != Sealed::Attributes || true)"),
    ("a ring may name a version twice", API + "vault.rs", "versions.len() != keys.len() || versions.contains(&0)", "versions.contains(&0)"),
    ("dependencies log what they like", API + "telemetry.rs", "level.min(LevelFilter::INFO)", "level"),
    ("a secret is shown again", "functions/manage-webhooks/src/endpoints.rs", "newest.sealed == own_secret", "newest.sealed == own_secret || !own_secret.is_empty()"),
    ("a null is nothing said", API + "json.rs", "value.is_array() || value.is_null()", "value.is_array()"),
    ("a fraction is a whole number", API + "json.rs", "number.fract() == 0.0 && number.abs()", "number.abs()"),
]

# Fast tests first: as soon as one fails, the mutation is caught.
TESTS = [
    ["test", "--locked", "--quiet", "-p", "mealticket-domain", "--lib"],
    ["test", "--locked", "--quiet", "-p", "mealticket-api", "--lib"],
    ["test", "--locked", "--quiet", "-p", "mealticket-local", "--lib"],
    ["test", "--locked", "--quiet", "-p", "mealticket-store", "--lib"],
    ["test", "--locked", "--quiet", "-p", "mealticket-store", "--test", "it", "--", "--skip", "ten_thousand"],
    ["test", "--locked", "--quiet", "-p", "read-statements", "--lib"],
    ["test", "--locked", "--quiet", "-p", "mealticket-proof"],
    ["test", "--locked", "--quiet", "-p", "mealticket-journeys", "--test", "it"],
]


def copy(folder):
    """A copy of what git knows, changed files included."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    for name in names.stdout.decode().splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode)


def finished(command, folder):
    """A command that has ended, and all that it said. What takes too long is ended with all that it started."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as run:
        try:
            output, _ = run.communicate(timeout=900)
        except BaseException:
            os.killpg(run.pid, signal.SIGKILL)
            raise
    return run, output.decode(errors="replace")


def caught_by(folder, path, old, new):
    """The package whose tests notice; None when none does, `build` when it does not compile."""
    file = folder / path
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{path}: found {text.count(old)} times: {old}")
    file.write_text(text.replace(old, new), encoding="utf-8")
    try:
        # A function's tests are the journeys. Those of other packages see little of it.
        ordered = TESTS[-1:] + TESTS[:-1] if path.startswith("functions/") else TESTS
        for arguments in ordered:
            run, output = finished(["cargo", *arguments], folder)
            if run.returncode and "could not compile" in output:
                return "build"
            if run.returncode:
                return arguments[arguments.index("-p") + 1]
        return None
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        file.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if re.search(options.only, m[0] + m[1])]
    for what, path, old, _ in chosen:
        found = (ROOT / path).read_text(encoding="utf-8").count(old)
        if found != 1:
            sys.exit(f"{path}: found {found} times: {old}")
    if options.list:
        print("\n".join(f"{path}: {what}" for what, path, _, _ in chosen))
        return
    folder = pathlib.Path(os.environ.get("MUTANTS_DIR", ROOT / "target/mutants"))
    folder.mkdir(parents=True, exist_ok=True)
    copy(folder)
    rows = []
    for what, path, old, new in chosen:
        by = caught_by(folder, path, old, new)
        rows.append((what, path, by))
        print(f"{by or 'SURVIVED'}: {what}", flush=True)
        # Written after each mutation, because a run takes hours and may be cut off.
        write(merged(rows))


def merged(rows):
    """The rows of the last record that are still on the list, with these in their places."""
    known = {what: (what, path, by) for what, path, by in rows}
    if RECORD.is_file():
        for line in RECORD.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and len(cells) == 3 and cells[1].startswith("`"):
                by = None if cells[2] == "**nobody**" else cells[2]
                known.setdefault(cells[0], (cells[0], cells[1].strip("`"), by))
    return [(what, path, known[what][2]) for what, path, _, _ in MUTATIONS if what in known]


def write(rows):
    caught = [row for row in rows if row[2] and row[2] != "build"]
    lines = [
        "# Broken on purpose", "",
        "Written by `python3 tests/proof/mutations.py`; do not edit. Each row is one decision that keeps a promise, undone;",
        "the last column names the first package whose tests noticed.", "",
        f"{len(caught)} of {len(rows)} were noticed.", "", "| broken | in | noticed by |", "|---|---|---|",
    ]
    lines += [f"| {what} | `{path}` | {by or '**nobody**'} |" for what, path, by in rows]
    RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
