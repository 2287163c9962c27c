//! `infra/openapi.yaml` is the contract: what is sent and answered here is what it says.

use crate::{
    attempt::{Attempt, Reply},
    errors::{builders::build, documented},
};
use mealticket_local::{workspace, yaml};
use mealticket_support::World;
use serde_json::{Value, json};

struct Contract(Value);

impl Contract {
    fn read() -> Self {
        Contract(yaml::read(&workspace::openapi()).unwrap())
    }

    fn operation(&self, route: &str) -> &Value {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &self.0["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{route} is not in the contract");
        operation
    }

    /// A part of the contract, its reference followed.
    fn followed<'a>(&'a self, part: &'a Value) -> &'a Value {
        match part["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => part,
        }
    }

    /// What is wrong with a value under a schema of the contract.
    fn defects(&self, schema: &Value, value: &Value) -> Vec<String> {
        let whole = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
    }

    fn check_reply(&self, route: &str, reply: &Reply) {
        let responses = &self.operation(route)["responses"];
        let named = &responses[reply.status.to_string()];
        let response = self.followed(if named.is_object() { named } else { &responses["default"] });
        let Some(content) = response["content"].as_object() else {
            assert!(reply.text.is_empty(), "{route} {} has a body that the contract has not", reply.status);
            return;
        };
        assert_eq!(reply.headers["cache-control"], "no-store", "{route} {}", reply.status);
        let media = reply.headers["content-type"].split(';').next().unwrap();
        let schema = &content[media]["schema"];
        assert!(schema.is_object(), "{route} {}: {}", reply.status, reply.headers["content-type"]);
        let body = if media.starts_with("text/") { reply.text.clone().into() } else { reply.json.clone() };
        let defects = self.defects(schema, &body);
        assert!(defects.is_empty(), "{route} {}: {defects:?} in {}", reply.status, reply.text);
    }

    fn check_request(&self, route: &str, attempt: &Attempt) {
        let body = self.followed(&self.operation(route)["requestBody"]);
        let schema = &body["content"]["application/json"]["schema"];
        if !schema.is_object() {
            assert!(attempt.body.is_empty(), "{route} takes no body in the contract");
            return;
        }
        let defects = self.defects(schema, &serde_json::from_str(&attempt.body).unwrap());
        assert!(defects.is_empty(), "{route}: {defects:?} in {}", attempt.body);
    }
}

/// A contract is one for all stacks: it lists the channels of a stack that names no others.
#[test]
fn the_channels_of_the_contract_are_the_templates_default() {
    let contract = Contract::read();
    let listed = contract.0["components"]["schemas"]["Channel"]["enum"].as_array().unwrap();
    let listed: Vec<&str> = listed.iter().map(|channel| channel.as_str().unwrap()).collect();
    let template = yaml::read(&workspace::template()).unwrap();
    assert_eq!(listed.join(","), template["Parameters"]["Channels"]["Default"].as_str().unwrap());
}

#[tokio::test]
async fn a_good_request_and_its_answer_are_what_the_contract_says_and_so_is_every_refusal() {
    let contract = Contract::read();
    for (route, codes) in documented() {
        let world = World::new().await;
        let attempt = build(&world, &route, &[]).await;
        contract.check_request(&route, &attempt);
        let reply = attempt.send(&world.deps_elsewhere()).await;
        assert!(reply.status < 300, "{route}: {}", reply.text);
        contract.check_reply(&route, &reply);
        for code in codes {
            let world = World::new().await;
            let refused = build(&world, &route, &[code]).await.send(&world.deps_elsewhere()).await;
            contract.check_reply(&route, &refused);
        }
    }
}

#[test]
fn the_contract_refuses_what_is_not_in_it() {
    let contract = Contract::read();
    let schema = &contract.operation("POST /v1/redemptions")["requestBody"]["content"]["application/json"]["schema"];
    let good =
        json!({ "code": "44-ABCD-EFGH-JKMN-PQRS", "store_id": "sto_a", "order": { "order_no": "1", "amount_fen": 1 } });
    assert_eq!(contract.defects(schema, &good), Vec::<String>::new());
    for (name, value) in
        [("amount", json!(1)), ("cashier", json!("")), ("order", json!({ "order_no": "1", "amount_fen": 0 }))]
    {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!contract.defects(schema, &bad).is_empty(), "{bad}");
    }
}
