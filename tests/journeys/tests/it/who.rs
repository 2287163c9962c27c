//! Who may ask what: every route with every kind of caller, every role and every scope.

use crate::attempt::{Attempt, Reply, callers, routes};
use mealticket_api::{Who, auth::operator::Role, route::Reach};
use mealticket_local::{key_file::Employee, template::Template, workspace};
use mealticket_support::World;
use serde_json::json;
use std::collections::BTreeSet;

/// A kind of caller, and the token that it sends.
struct Caller {
    kind: Kind,
    token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nobody,
    Garbage,
    Member,
    Merchant,
    Operator(Role, Works),
}

/// What an operator's employee works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Works {
    Province,
    City,
    Elsewhere,
}

/// What the table of routes says about a caller.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// The request is let in, and judged further.
    LetIn,
    /// The request is refused with this status and code.
    Refused(u16, &'static str),
}

fn expected(who: Who, kind: Kind) -> Expected {
    let unauthenticated = Expected::Refused(401, "unauthenticated");
    match (who, kind) {
        (Who::Anybody, _) | (Who::Member, Kind::Member) | (Who::Merchant, Kind::Merchant) => Expected::LetIn,
        (Who::Reporter, _) => Expected::Refused(401, "signature_invalid"),
        (Who::Operator(roles, reach), Kind::Operator(role, works)) => {
            let is_within = match works {
                Works::Province => true,
                Works::City => reach == Reach::OwnCities,
                Works::Elsewhere => false,
            };
            if is_within && roles.contains(&role) { Expected::LetIn } else { Expected::Refused(403, "forbidden") }
        }
        (Who::Member | Who::Merchant | Who::Operator(..), _) => unauthenticated,
    }
}

fn every_caller(world: &World) -> Vec<Caller> {
    let mut callers = vec![
        Caller { kind: Kind::Nobody, token: None },
        Caller { kind: Kind::Garbage, token: Some("a.b.c".to_owned()) },
        Caller { kind: Kind::Member, token: Some(world.member_token(world.member())) },
        Caller { kind: Kind::Merchant, token: Some(world.merchant_token("mch_luckytea")) },
    ];
    let cities = ["深圳".to_owned()];
    for &role in Role::ALL {
        for (works, province, cities) in
            [(Works::Province, "44", &[][..]), (Works::City, "44", &cities[..]), (Works::Elsewhere, "43", &[][..])]
        {
            let employee = Employee { name: "li.na", roles: &[role], province, cities };
            let token = Some(world.employee_token(&employee));
            callers.push(Caller { kind: Kind::Operator(role, works), token });
        }
    }
    callers
}

/// Sends a request with a bad body and bad names. A caller who may not ask is refused before anything else is judged.
async fn ask(world: &World, route: &str, token: Option<&str>) -> Reply {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path.replace(['{', '}'], "");
    let attempt = match method {
        "GET" => Attempt::get(&path),
        "DELETE" => Attempt::delete(&path),
        _ => Attempt::post(&path, &json!({})),
    };
    let attempt = token.iter().fold(attempt, |attempt, token| attempt.bearer(token));
    attempt.send(&world.deps).await
}

#[tokio::test]
async fn every_route_is_open_to_those_that_its_table_names_and_to_nobody_else() {
    let world = World::new().await;
    let (mut let_in, mut refused) = (0, 0);
    for (route, _, who) in callers() {
        for Caller { kind, token } in every_caller(&world) {
            let reply = ask(&world, route, token.as_deref()).await;
            let seen = match reply.code() {
                code @ ("unauthenticated" | "forbidden" | "signature_invalid") => (reply.status, code),
                _ => (200, ""),
            };
            match expected(who, kind) {
                Expected::LetIn => assert_eq!(seen, (200, ""), "{route} {kind:?}: {}", reply.text),
                Expected::Refused(status, code) => assert_eq!(seen, (status, code), "{route} {kind:?}: {}", reply.text),
            }
            if seen.0 == 200 { let_in += 1 } else { refused += 1 }
        }
    }
    // 3 routes for anybody and 31 callers; 8 for members; 15 for merchants; 1 for reports; 17 for operators and their roles.
    assert_eq!(let_in + refused, callers().len() * 31);
    assert!(let_in > 100 && refused > 1_000, "{let_in} {refused}");
}

#[test]
fn the_tables_of_routes_are_those_of_the_template() {
    let known: BTreeSet<(String, String)> =
        callers().into_iter().map(|(route, function, _)| (route.to_owned(), function.to_owned())).collect();
    assert_eq!(known, routes().iter().cloned().collect());
}

/// The template says who calls a function. Its routes let in those callers.
#[test]
fn a_function_is_called_by_whom_its_routes_let_in() {
    let template = Template::read(&workspace::template()).unwrap();
    for (route, name, who) in callers() {
        let called_by = template.functions().unwrap().into_iter().find(|function| function.name == name);
        let fits = match who {
            Who::Anybody | Who::Member => &["member"][..],
            Who::Merchant => &["till", "merchant"],
            Who::Reporter => &["merchant"],
            Who::Operator(..) => &["operator"],
        };
        assert!(fits.contains(&called_by.unwrap().called_by.as_str()), "{route}");
    }
}

/// Run with `UPDATE_DOCS=1` to write the table.
#[test]
fn the_table_of_who_may_ask_is_that_of_the_routes() {
    let mut table = "| Route | Function | Who may ask |\n|---|---|---|\n".to_owned();
    for (route, function, who) in callers() {
        table += &format!("| `{route}` | `{function}` | {} |\n", words(who));
    }
    workspace::check_document("docs/SECURITY-MODEL.md", "who may ask", &table);
}

fn words(who: Who) -> String {
    match who {
        Who::Anybody => "anybody".to_owned(),
        Who::Member => "a member, about itself".to_owned(),
        Who::Merchant => "a merchant's server, about the merchant's own".to_owned(),
        Who::Reporter => "a merchant's system, by its signature".to_owned(),
        Who::Operator(roles, reach) => {
            let roles: Vec<String> = roles.iter().map(|role| format!("`{}`", role.as_str())).collect();
            let reach = match reach {
                Reach::Province => "of the whole province",
                Reach::OwnCities => "of the province or of the cities concerned",
            };
            format!("{} {reach}", roles.join(", "))
        }
    }
}
