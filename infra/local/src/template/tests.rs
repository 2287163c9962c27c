use super::*;
use crate::workspace;
use mealticket_domain::webhook::DUE_SHARDS;
use std::collections::BTreeSet;

fn template() -> Template {
    Template::read(&workspace::template()).unwrap()
}

fn template_routes() -> BTreeSet<(String, String)> {
    template().routes().unwrap().into_iter().map(|route| (route.key, route.function)).collect()
}

#[test]
fn openapi_describes_exactly_the_routes_of_the_template() {
    let openapi = yaml::read(&workspace::openapi()).unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in object(openapi.get("paths")) {
        for (method, operation) in object(Some(operations)).filter(|(method, _)| *method != "parameters") {
            let function = operation["x-function"].as_str().unwrap().to_owned();
            described.insert((format!("{} {path}", method.to_uppercase()), function));
        }
    }
    assert_eq!(described, template_routes());
}

#[test]
fn every_function_has_a_folder_and_events() {
    let root = workspace::root();
    for function in template().functions().unwrap() {
        let name = &function.name;
        for path in [format!("functions/{name}/src/lib.rs"), format!("events/{name}")] {
            assert!(root.join(&path).exists(), "{path}");
        }
        let main = std::fs::read_to_string(root.join(format!("functions/{name}/src/main.rs"))).unwrap();
        assert!(main.lines().count() <= 30, "{name}");
    }
}

/// If nobody logs the message that an alarm counts, the alarm never rings.
#[test]
fn every_message_that_the_template_counts_is_logged_by_the_code() {
    let text = std::fs::read_to_string(workspace::template()).unwrap();
    let counted = text.split("FilterPattern: '{ $.message = \"").skip(1);
    let counted: Vec<&str> = counted.map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(counted.len(), text.matches("FilterPattern").count(), "a pattern of another form");
    let sources: Vec<String> = ["functions", "shared/api", "shared/store"]
        .iter()
        .flat_map(|folder| rust_files(&workspace::root().join(folder)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for message in counted {
        let literal = match message.strip_suffix('*') {
            Some(beginning) => format!("\"{beginning}"),
            None => format!("\"{message}\""),
        };
        assert!(sources.iter().any(|source| source.contains(&literal)), "nobody logs {message:?}");
    }
}

fn rust_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

#[test]
fn the_environment_of_a_function_is_what_the_code_reads() {
    for function in template().functions().unwrap() {
        mealticket_api::config::Config::from_variables(&function.environment).unwrap();
    }
    let plain = template().functions().unwrap();
    for name in plain[0].environment.keys() {
        let mut without = plain[0].environment.clone();
        without.remove(name);
        assert!(mealticket_api::config::Config::from_variables(&without).is_err(), "{name} is not read by the code");
    }
}

#[test]
fn every_table_is_kept_encrypted_and_recoverable() {
    let template = template();
    let tables: Vec<_> = template.resources("AWS::DynamoDB::Table").collect();
    assert_eq!(tables.len(), 6);
    for (id, table) in tables {
        let at = |pointer: &str| table.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"), true, "{id}");
        assert_eq!(at("/Properties/DeletionProtectionEnabled"), true, "{id}");
        assert_eq!(at("/Properties/SSESpecification/SSEEnabled"), true, "{id}");
        assert_eq!(at("/DeletionPolicy"), "Retain", "{id}");
        assert_eq!(at("/UpdateReplacePolicy"), "Retain", "{id}");
    }
    let streams: Vec<_> =
        template.tables().unwrap().into_iter().filter(|t| t.create.get("StreamSpecification").is_some()).collect();
    assert_eq!(streams.len(), 1);
    assert!(streams[0].name.ends_with("-members"));
}

#[test]
fn every_function_has_a_role_of_its_own_with_exact_actions() {
    let template = template();
    let mut roles = BTreeSet::new();
    for (id, function) in template.resources("AWS::Serverless::Function") {
        let role = function["Properties"]["Role"]["Fn::GetAtt"].as_str().unwrap().strip_suffix(".Arn").unwrap();
        assert!(roles.insert(role.to_owned()), "{id} shares a role");
        let document = template.document()["Resources"][role].clone();
        assert!(document["Properties"]["ManagedPolicyArns"].is_null(), "{role}");
        for policy in document["Properties"]["Policies"].as_array().unwrap() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                for part in ["Action", "Resource"] {
                    let text = statement[part].to_string();
                    assert!(part == "Resource" || !text.contains('*'), "{role}: {text}");
                    assert_ne!(statement[part], "*", "{role}");
                }
            }
        }
    }
    assert_eq!(roles.len(), 16);
}

#[test]
fn the_template_names_no_partition() {
    let text = std::fs::read_to_string(workspace::template()).unwrap();
    assert!(!text.contains("arn:aws:"));
    assert!(!text.contains("amazonaws.com"));
}

#[test]
fn every_function_uses_the_custom_runtime() {
    assert_eq!(template().document()["Globals"]["Function"]["Runtime"], "provided.al2023");
}

#[test]
fn a_broken_template_is_refused_in_one_line_that_names_the_resource() {
    let path = std::env::temp_dir().join(format!("mealticket-template-{}.yaml", std::process::id()));
    std::fs::write(&path, "Resources:\n  R:\n    Type: AWS::ApiGatewayV2::Route\n    Properties: {RouteKey: GET /x}\n")
        .unwrap();
    let error = Template::read(&path).unwrap().routes().unwrap_err().to_string();
    assert!(error.contains("resource R") && !error.contains('\n'), "{error}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_mapping_never_gives_up_a_batch_and_the_journals_names_its_shard() {
    let template = template();
    let mappings: Vec<_> = template.resources("AWS::Lambda::EventSourceMapping").collect();
    assert!(mappings.len() <= 2, "a stream's shard serves two readers well");
    for (id, mapping) in mappings {
        let properties = &mapping["Properties"];
        for (property, value) in [
            ("StartingPosition", json!("TRIM_HORIZON")),
            ("ParallelizationFactor", json!(1)),
            ("MaximumRetryAttempts", json!(-1)),
            ("MaximumRecordAgeInSeconds", json!(-1)),
            ("BisectBatchOnFunctionError", json!(true)),
        ] {
            assert_eq!(properties[property], value, "{id}: {property}");
        }
    }
    let journal = &template.document()["Resources"]["PostLedgerMapping"]["Properties"];
    assert_eq!(journal["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert!(journal["TumblingWindowInSeconds"].as_u64().is_some_and(|window| window > 0));
}

#[test]
fn every_function_is_reached_by_a_route_a_stream_or_a_schedule() {
    let template = template();
    let routed = template.routes().unwrap().into_iter().map(|route| route.function);
    let mapped = template.mappings().unwrap().into_iter().map(|mapping| mapping.function);
    let scheduled = template.schedules().unwrap().into_iter().map(|schedule| schedule.function);
    // A function that is invoked by hand says so in its metadata.
    let by_hand = template.resources("AWS::Serverless::Function").filter_map(|(_, function)| {
        let metadata = &function["Metadata"];
        (metadata["CalledBy"] == "hand").then(|| metadata["BuildProperties"]["Binary"].as_str().unwrap().to_owned())
    });
    let reached: BTreeSet<String> = routed.chain(mapped).chain(scheduled).chain(by_hand).collect();
    let all: BTreeSet<String> = template.functions().unwrap().into_iter().map(|function| function.name).collect();
    assert_eq!(reached, all);
}

#[test]
fn every_part_of_the_due_index_has_a_run_a_minute() {
    let schedules = template().schedules().unwrap();
    let runs = schedules.into_iter().filter(|schedule| schedule.function == "deliver-webhooks");
    let inputs: Vec<_> = runs.map(|schedule| (schedule.every.as_secs(), schedule.input.unwrap())).collect();
    let expected: Vec<_> = (0..DUE_SHARDS).map(|shard| (60, json!({ "shard": shard, "for_seconds": 50 }))).collect();
    assert_eq!(inputs, expected);
}

#[test]
fn only_a_rate_in_minutes_is_a_schedule() {
    assert_eq!(minutes("rate(5 minutes)"), Some(Duration::from_secs(300)));
    assert_eq!(minutes("rate(1 minute)"), Some(Duration::from_secs(60)));
    for wrong in ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(5 hours)", "cron(0 1 * * ? *)", "5"] {
        assert_eq!(minutes(wrong), None, "{wrong}");
    }
}
