//! `infra/openapi.yaml` is the contract: requests and responses here are as it says.

use crate::{
    attempt::{Attempt, Reply},
    errors::{builders::build, documented},
    journal::claim,
};
use mealticket_api::{Code, webhook::WebhookSecret};
use mealticket_domain::{
    Coupon, Fingerprint,
    statement::StatementId,
    webhook::{Message, MessageKind, messages_between, statement_closed},
};
use mealticket_local::{workspace, yaml};
use mealticket_store::members::ReverseRequest;
use mealticket_support::{World, world::key_hash};
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Contract {
    document: Value,
    /// The components as we keep to them: an object has no property that its schema does not describe. For clients,
    /// objects stay open.
    closed: Value,
}

/// Closes the parts of a schema. A schema that others are composed of stays open itself: whoever refers to the whole
/// closes it.
fn close_parts(schema: &mut Value) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(name) {
            close(part);
        }
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        if let Some(variants) = schema.get_mut(name).and_then(Value::as_array_mut) {
            variants.iter_mut().for_each(close_parts);
        }
    }
}

/// Closes a schema with its parts. A schema that allows any property (`additionalProperties: true`) stays as it is.
fn close(schema: &mut Value) {
    close_parts(schema);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// The defects of a value under a schema that refers to these components.
fn defects(schema: &Value, components: &Value, value: &Value) -> Vec<String> {
    let whole = json!({ "allOf": [schema], "components": components });
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

impl Contract {
    fn read() -> Self {
        let document = yaml::read(&workspace::openapi()).unwrap();
        let mut closed = document["components"].clone();
        closed["schemas"].as_object_mut().unwrap().values_mut().for_each(close_parts);
        Contract { document, closed }
    }

    fn operation(&self, route: &str) -> &Value {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &self.document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{route} is not in the contract");
        operation
    }

    /// A part of the contract, with its reference followed.
    fn followed<'a>(&'a self, part: &'a Value) -> &'a Value {
        match part["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => part,
        }
    }

    /// The defects that a client finds in a value under a schema of the contract.
    fn defects(&self, schema: &Value, value: &Value) -> Vec<String> {
        defects(schema, &self.document["components"], value)
    }

    /// The defects that we find in a response or a message of ours. A property that the contract does not describe is
    /// one.
    fn defects_of_ours(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut schema = schema.clone();
        close(&mut schema);
        defects(&schema, &self.closed, value)
    }

    /// The schemas of all our responses and messages.
    fn schemas_of_ours(&self) -> Vec<&Value> {
        let operations = self.document["paths"].as_object().unwrap().values().flat_map(|path| {
            path.as_object()
                .unwrap()
                .values()
                .flat_map(|operation| operation["responses"].as_object().unwrap().values())
        });
        let answers = operations.map(|response| &self.followed(response)["content"]);
        let sent = self.document["webhooks"].as_object().unwrap().values();
        let sent = sent.map(|message| &message["post"]["requestBody"]["content"]);
        let contents = answers.chain(sent).filter_map(Value::as_object);
        contents.flat_map(|content| content.values().map(|media| &media["schema"])).collect()
    }

    /// The words that a schema lists as its `enum`.
    fn listed(&self, schema: &str) -> Vec<&str> {
        let words = self.document["components"]["schemas"][schema]["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap()).collect()
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
        let defects = self.defects_of_ours(schema, &body);
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

/// There is one contract for all stacks. It lists the channels of a stack that does not name its own.
#[test]
fn the_channels_of_the_contract_are_the_templates_default() {
    let contract = Contract::read();
    let listed = contract.listed("Channel");
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

#[test]
fn the_contract_lists_every_code_of_a_refusal_and_every_type_of_a_message() {
    let contract = Contract::read();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(contract.listed("ProblemCode"), codes);
    let kinds: Vec<&str> = MessageKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(contract.listed("MessageType"), kinds);
    let described: BTreeSet<&str> =
        contract.document["webhooks"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, kinds.into_iter().collect());
}

/// Follows a schema and what it refers to. Returns the first part that forbids properties which it does not describe.
fn closed_part<'a>(contract: &'a Contract, schema: &'a Value, seen: &mut BTreeSet<&'a str>) -> Option<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str()
        && !seen.insert(reference)
    {
        return None;
    }
    let schema = contract.followed(schema);
    if schema["additionalProperties"] == json!(false) || !schema["unevaluatedProperties"].is_null() {
        return Some(schema);
    }
    let members = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
    let variants = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|name| schema[name].as_array()).flatten();
    let items = ["items", "additionalProperties"].into_iter().filter_map(|name| schema.get(name));
    members.chain(variants).chain(items).find_map(|part| closed_part(contract, part, seen))
}

#[test]
fn answers_and_messages_may_gain_fields_for_a_client_and_not_for_us() {
    let contract = Contract::read();
    let ours = contract.schemas_of_ours();
    assert!(ours.len() > 50, "{}", ours.len());
    for schema in ours {
        assert_eq!(closed_part(&contract, schema, &mut BTreeSet::new()), None, "{schema}");
    }
    let refusal = json!({ "type": "x", "title": "x", "status": 409, "detail": "x", "code": "code_held", "retry": "after",
        "request_id": "x" });
    let schema = json!({ "$ref": "#/components/schemas/Validation" });
    let mut answer = json!({ "valid": false, "refusal": refusal });
    assert_eq!(contract.defects_of_ours(&schema, &answer), Vec::<String>::new());
    answer["refusal"]["later"] = json!(1);
    assert_eq!(contract.defects(&schema, &answer), Vec::<String>::new());
    assert!(!contract.defects_of_ours(&schema, &answer).is_empty());
}

/// One message of each kind: a coupon that was redeemed, reversed and taken back, and a statement.
async fn one_of_each(world: &World) -> Vec<Message> {
    let (tables, campaign) = (world.tables(), world.campaign(1).await);
    let claimed = claim(world, tables, &campaign).await;
    tables
        .members
        .redeem(&tables.catalog, &campaign, claimed.key, claimed.key_version, &world.redemption(1))
        .await
        .unwrap();
    let (fingerprint, reason) = (Fingerprint([3; 16]), "退单".parse().unwrap());
    let request = ReverseRequest { key: key_hash(2), fingerprint, reason, now: world.now() };
    tables.members.reverse(&tables.catalog, claimed.key, 0, &request).await.unwrap();
    let reversed = tables.members.read_coupon(claimed.key).await.unwrap().unwrap();
    let taken = Coupon { deactivated_at: Some(world.now()), ..reversed };
    let mut messages = messages_between(None, &taken, world.now(), &world.deps.stack.ids).unwrap();
    let statement = StatementId { merchant: "mch_luckytea".parse().unwrap(), month: "2026-11".parse().unwrap() };
    messages.push(statement_closed(&statement, 1, -5, world.now()));
    messages
}

#[tokio::test]
async fn a_message_of_each_kind_is_what_the_contract_says() {
    let contract = Contract::read();
    let world = World::new().await;
    let messages = one_of_each(&world).await;
    let kinds: Vec<MessageKind> = messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, MessageKind::ALL);
    let secret = WebhookSecret::read("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    for message in messages {
        let sent = &contract.document["webhooks"][message.kind.as_str()]["post"];
        let schema = &sent["requestBody"]["content"]["application/json"]["schema"];
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let defects = contract.defects_of_ours(schema, &body);
        assert!(defects.is_empty(), "{defects:?} in {body}");
        // During a rotation there are two signatures.
        let (id, at) = (message.id.as_str(), world.now().unix_seconds());
        let signature = secret.sign(id, at, message.body.as_bytes());
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", format!("{signature} {signature}")),
        ];
        let parameters = sent["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), headers.len());
        for (parameter, (name, value)) in parameters.iter().zip(headers) {
            let parameter = contract.followed(parameter);
            assert_eq!(parameter["name"], name);
            assert_eq!(contract.defects(&parameter["schema"], &json!(value)), Vec::<String>::new());
        }
    }
}
