use super::*;
use proptest::prelude::*;

fn fen(fen: u64) -> Fen {
    Fen::try_from(fen).unwrap()
}

fn terms(json: &str) -> SettlementTerms {
    serde_json::from_str(json).unwrap()
}

fn amounts(postings: &Postings) -> Vec<(String, i64)> {
    postings.amounts().map(|(account, fen)| (account.to_string(), fen)).collect()
}

#[test]
fn a_joint_subsidy_is_borne_by_share_and_paid_to_the_merchant() {
    let terms = terms(r#"{ "funded_by": { "province": 60, "merchant": 40 }, "pays_merchant": "discount" }"#);
    assert_eq!(terms.check(), Ok(()));
    let postings = terms.postings(fen(500), Attribution::ToNobody);
    let expected =
        [("subsidy:province".into(), 300), ("receivable:co_funding".into(), 200), ("payable:merchant".into(), -500)];
    assert_eq!(amounts(&postings), expected);
    let mut both = postings.clone();
    both.post(&postings.reversed());
    assert!(both.amounts().all(|(_, fen)| fen == 0));
}

#[test]
fn what_the_shares_leave_over_has_an_account_of_its_own() {
    let terms = terms(
        r#"{ "funded_by": { "province": 33.33, "city:广州": 33.33, "merchant": 33.34 }, "pays_merchant": "discount" }"#,
    );
    let postings = terms.postings(fen(100), Attribution::ToNobody);
    let expected = [
        ("subsidy:province".into(), 33),
        ("subsidy:city:广州".into(), 33),
        ("receivable:co_funding".into(), 33),
        ("rounding".into(), 1),
        ("payable:merchant".into(), -100),
    ];
    assert_eq!(amounts(&postings), expected);
}

#[test]
fn a_fixed_price_a_supplier_and_a_partner_are_paid_what_was_agreed() {
    let terms = terms(
        r#"{ "funded_by": { "city:深圳": 100 }, "pays_merchant": { "fixed_fen": 1200 }, "pays_supplier_fen": 300,
             "commission": { "fen": 50, "charged_to": "province" } }"#,
    );
    let expected = [
        ("subsidy:province".to_owned(), 50),
        ("subsidy:city:深圳".into(), 1_500),
        ("payable:merchant".into(), -1_200),
        ("payable:supplier".into(), -300),
        ("payable:commission".into(), -50),
    ];
    assert_eq!(amounts(&terms.postings(fen(999), Attribution::ToPartner)), expected);
    let without = terms.postings(fen(999), Attribution::ToNobody);
    assert!(without.amounts().all(|(account, _)| *account != Account::CommissionPayable));
}

#[test]
fn a_merchants_own_discount_moves_no_money() {
    let terms = terms(r#"{ "funded_by": { "merchant": 100 }, "pays_merchant": "nothing" }"#);
    assert_eq!(terms.postings(fen(500), Attribution::ToPartner), Postings::default());
}

#[test]
fn shares_that_are_not_a_whole_and_prices_of_nothing_are_refused() {
    let check = |json: &str| terms(json).check();
    for (shares, sum) in [(r#""province": 60"#, 6_000), (r#""province": 60, "merchant": 40.01"#, 10_001), ("", 0)] {
        let json = format!(r#"{{ "funded_by": {{ {shares} }}, "pays_merchant": "discount" }}"#);
        assert_eq!(check(&json), Err(SettlementError::Shares { sum }));
    }
    let with = |rest: &str| check(&format!(r#"{{ "funded_by": {{ "province": 100 }}, {rest} }}"#));
    for rest in [
        r#""pays_merchant": { "fixed_fen": 0 }"#,
        r#""pays_merchant": "discount", "pays_supplier_fen": 0"#,
        r#""pays_merchant": "discount", "commission": { "fen": 0, "charged_to": "province" }"#,
    ] {
        assert!(matches!(with(rest), Err(SettlementError::Nothing(_))), "{rest}");
    }
    for broken in [
        r#"{ "funded_by": { "town": 100 }, "pays_merchant": "discount" }"#,
        r#"{ "funded_by": { "city:": 100 }, "pays_merchant": "discount" }"#,
        r#"{ "funded_by": { "province": 0 }, "pays_merchant": "discount" }"#,
        r#"{ "funded_by": { "province": 100 }, "pays_merchant": "everything" }"#,
        r#"{ "funded_by": { "province": 100 }, "pays_merchant": "discount", "note": "x" }"#,
        r#"{ "funded_by": { "province": 100 } }"#,
    ] {
        assert!(serde_json::from_str::<SettlementTerms>(broken).is_err(), "{broken}");
    }
}

proptest! {
    /// Whatever is redeemed under whatever terms, the books are even, nobody bears more than the share, and a reversal
    /// undoes it all.
    #[test]
    fn debits_equal_credits(
        discount in 0u64..=1_000_000_000_000,
        cut in 1u64..10_000,
        second in 1u64..10_000,
        fixed in prop::option::of(1u64..=1_000_000_000_000),
        supplier in prop::option::of(1u64..=1_000_000_000_000),
        attribution in prop_oneof![Just(Attribution::ToPartner), Just(Attribution::ToNobody)],
    ) {
        let (low, high) = (cut.min(second), cut.max(second));
        let shares = [(Funder::Province, low), (Funder::City("广州".into()), high - low), (Funder::Merchant, WHOLE - high)];
        let percent = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100).parse::<Percent>().ok();
        let terms = SettlementTerms {
            funded_by: shares.iter().filter_map(|(funder, share)| Some((funder.clone(), percent(*share)?))).collect(),
            pays_merchant: fixed.map_or(MerchantPrice::Discount, |price| MerchantPrice::FixedFen(fen(price))),
            pays_supplier_fen: supplier.map(fen),
            commission: Some(Commission { fen: fen(7), charged_to: Funder::Province }),
            earned: Earned::AtRedemption,
        };
        prop_assert_eq!(terms.check(), Ok(()));
        let postings = terms.postings(fen(discount), attribution);
        prop_assert_eq!(postings.balance(), 0);
        prop_assert_eq!(postings.reversed().balance(), 0);
        let rounding = postings.amounts().find(|(account, _)| **account == Account::Rounding);
        prop_assert!(rounding.is_none_or(|(_, fen)| (1..3).contains(&fen)));
    }
}

#[test]
fn an_account_reads_back_what_it_writes() {
    let city = Account::CitySubsidy("广州".into());
    let plain = [Account::ProvinceSubsidy, Account::CoFundingReceivable, Account::Rounding, Account::MerchantPayable];
    let others = [city, Account::SupplierPayable, Account::CommissionPayable];
    for account in plain.into_iter().chain(others) {
        assert_eq!(account.to_string().parse(), Ok(account));
    }
    for text in ["", "subsidy:", "subsidy:merchant", "subsidy:city:", "payable", "Rounding"] {
        assert!(text.parse::<Account>().is_err(), "{text}");
    }
}
