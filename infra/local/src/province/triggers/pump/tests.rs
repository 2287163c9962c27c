use super::*;
use crate::{engine::Engine, template::Template, workspace};
use std::cell::RefCell;

/// A function that records the batches that it gets. It gives the planned replies in turn, and after that success.
struct Function {
    seen: RefCell<Vec<Vec<String>>>,
    finals: RefCell<usize>,
    replies: RefCell<VecDeque<Option<Value>>>,
}

impl Function {
    fn answering(replies: Vec<Option<Value>>) -> Self {
        Function { seen: RefCell::default(), finals: RefCell::default(), replies: RefCell::new(replies.into()) }
    }

    fn invoke(&self, event: &Value) -> Option<Value> {
        assert_eq!(event["shardId"].as_str().unwrap().split('-').next(), Some("shardId"));
        let records = event["Records"].as_array().unwrap();
        if event["isFinalInvokeForWindow"] == true {
            *self.finals.borrow_mut() += 1;
            return Some(json!({}));
        }
        let places = records.iter().map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned());
        self.seen.borrow_mut().push(places.collect());
        self.replies.borrow_mut().pop_front().unwrap_or_else(|| Some(json!({ "batchItemFailures": [] })))
    }
}

async fn engine(items: usize) -> (Engine, MappingSpec) {
    let template = Template::read(&workspace::template()).unwrap();
    let mapping = template.mappings().unwrap().into_iter().next().unwrap();
    let engine = Engine::start(0, None, &template.tables().unwrap()).await.unwrap();
    for number in 0..items {
        put(&engine, &mapping, number);
    }
    (engine, mapping)
}

fn put(engine: &Engine, mapping: &MappingSpec, number: usize) {
    let item = json!({ "pk": { "S": format!("{number}") }, "sk": { "S": "x" } });
    let request = json!({ "TableName": mapping.table, "Item": item });
    engine.database().put_item(serde_json::from_value(request).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_again_from_where_it_failed_and_in_order() {
    let (engine, mapping) = engine(6).await;
    let function = Function::answering(vec![None, Some(json!({ "batchItemFailures": [{ "itemIdentifier": null }] }))]);
    let mapping = MappingSpec { batch_size: 4, ..mapping };
    let clock = Clock::standing_at("2026-11-22T04:00:00Z".parse().unwrap());
    let mut pump =
        Pump::new(engine.database().clone(), mapping, clock, async |event: &Value| function.invoke(event)).unwrap();
    assert_eq!((pump.pump().await.unwrap(), pump.pump().await.unwrap(), pump.pump().await.unwrap()), (4, 2, 0));
    let seen = function.seen.borrow();
    // The batch of four fails, its first half fails as a whole, and then everything passes.
    assert_eq!(*seen, [vec!["0", "1", "2", "3"], vec!["0", "1"], vec!["0", "1"], vec!["2", "3"], vec!["4", "5"]]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_keeps_what_came_before_it() {
    let (engine, mapping) = engine(3).await;
    let list = json!({ "TableName": mapping.table });
    let list: Value = ask(list, |request| engine.database().list_streams(request)).unwrap();
    let arn = list["Streams"][0]["StreamArn"].clone();
    let described: Value =
        ask(json!({ "StreamArn": arn }), |request| engine.database().describe_stream(request)).unwrap();
    let last = &described["StreamDescription"]["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"];
    let function =
        Function::answering(vec![Some(json!({ "batchItemFailures": [{ "itemIdentifier": last.as_str().unwrap() }] }))]);
    let clock = Clock::standing_at("2026-11-22T04:00:00Z".parse().unwrap());
    let mut pump =
        Pump::new(engine.database().clone(), mapping, clock, async |event: &Value| function.invoke(event)).unwrap();
    pump.pump().await.unwrap();
    assert_eq!(*function.seen.borrow(), [vec!["0", "1", "2"], vec!["2"]]);
}

#[tokio::test(start_paused = true)]
async fn a_window_is_closed_when_its_time_is_over() {
    let (engine, mapping) = engine(1).await;
    let function = Function::answering(vec![]);
    let clock = Clock::standing_at("2026-11-22T04:00:00Z".parse().unwrap());
    let seconds = mapping.window_seconds.unwrap();
    let invoke = async |event: &Value| function.invoke(event);
    let mut pump = Pump::new(engine.database().clone(), mapping.clone(), clock.clone(), invoke).unwrap();
    pump.pump().await.unwrap();
    assert_eq!(*function.finals.borrow(), 0);
    clock.set(clock.now().plus_seconds(seconds));
    put(&engine, &mapping, 9);
    assert_eq!(pump.pump().await.unwrap(), 1);
    assert_eq!((*function.finals.borrow(), function.seen.borrow().len()), (1, 2));
}
