//! Who is at the tills, within which bounds, and what is broken on purpose.

use super::{
    super::{Report, is_found_out, visit},
    Broken, Till, Wish,
};

const BROKEN: [(Broken, &str); 11] = [
    (Broken::Usable, "a redemption does not ask whether a use is left"),
    (Broken::KeyIsNew, "a redemption does not ask whether its key is new"),
    (Broken::OrderIsNew, "a redemption does not ask whether its order was reported"),
    (
        Broken::OnlyReported,
        "a till's request adopts a reported redemption that another till has adopted, or that is undone",
    ),
    (Broken::Held, "a redemption does not ask whether another order holds"),
    (Broken::Reversed, "a reversal does not ask whether it was reversed before"),
    (Broken::RedemptionsAsSeen, "a reversal does not ask whether something was redeemed since it looked"),
    (Broken::HoldAsSeen, "a hold does not ask whether the hold is as it was seen"),
    (Broken::UsesAsSeen, "a hold does not ask whether a use went since it looked"),
    (Broken::RefusalFirst, "a refused redemption looks for a rule before its own earlier success"),
    (Broken::NewKeyEachTime, "a redemption that got no answer is asked again under another key"),
];

/// Properties that some state must reach. All others must hold in every state.
const REACHED: [&str; 3] = ["every use is spent", "a redemption is undone", "a hold lapses"];

/// Checks four scenes. First, two tills redeem, one of them also holds, and somebody undoes. Second, every request is
/// repeated. Third, two tills hold at once. Fourth, tills redeem for an order that the merchant's own system reports.
pub fn check(quick: bool) -> Report {
    let everyone = [Wish::Redeem(1), Wish::Redeem(2), Wish::Hold(2), Wish::Reverse];
    let repeated = [Wish::Redeem(1), Wish::Redeem(2), Wish::Reverse];
    let reusing = [Wish::Redeem(1), Wish::Reuse(2)];
    let reported = [Wish::Redeem(1), Wish::Report(1), Wish::Reverse];
    let holding = [Wish::Hold(1), Wish::Redeem(1), Wish::Report(1)];
    let adopters = [Wish::Redeem(1), Wish::Redeem(1), Wish::Report(1)];
    let holders = [Wish::Redeem(1), Wish::Hold(1), Wish::Hold(2)];
    let till = |clients: &[Wish], uses, asks, broken| Till {
        clients: clients.to_vec(),
        uses,
        attempts: 1,
        asks,
        hours: 1,
        broken,
    };
    let bounded = match quick {
        true => vec![till(&everyone, 1, 1, Broken::No), till(&reported, 2, 1, Broken::No)],
        false => vec![
            till(&everyone, 1, 1, Broken::No),
            till(&everyone, 2, 1, Broken::No),
            till(&repeated, 2, 2, Broken::No),
            till(&holders, 1, 1, Broken::No),
            till(&reusing, 2, 2, Broken::No),
            till(&reported, 2, 2, Broken::No),
            till(&adopters, 2, 1, Broken::No),
            till(&holding, 2, 1, Broken::No),
        ],
    };
    let (mut states, mut depth, mut properties, mut violated) = (0, 0, Vec::new(), Vec::new());
    for (number, model) in bounded.into_iter().enumerate() {
        let (some, deep, named, broken) = visit(model);
        // Only the first scene, in which everyone takes part, must reach these properties.
        violated.extend(broken.into_iter().filter(|name| number == 0 || !REACHED.contains(name)));
        (states, depth, properties) = (states + some, depth.max(deep), named);
    }
    let found = |broken| {
        is_found_out(till(&everyone, 1, 1, broken))
            || is_found_out(till(&holders, 1, 1, broken))
            || is_found_out(till(&everyone, 2, 1, broken))
            || is_found_out(till(&reusing, 2, 1, broken))
            || is_found_out(till(&reported, 2, 1, broken))
            || is_found_out(till(&adopters, 2, 1, broken))
            || is_found_out(till(&repeated, 2, 2, broken))
    };
    Report {
        name: "One coupon: hold, redeem, reverse, with keys",
        bounds: "two tills that redeem for two orders, one of which also holds, and an undoing, on a coupon with one use and \
                 on one with two; without the hold, each request twice under its key; two that hold at once; one that \
                 redeems for an order that is reported, and two; a key that is used for two orders; the hold's \
                 deadline passes at any time; writes applied, lost, unanswered or late"
            .to_owned(),
        states,
        depth,
        properties,
        violated,
        mutants: BROKEN.map(|(broken, words)| (words, found(broken))).to_vec(),
    }
}
