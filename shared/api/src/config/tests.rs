use super::*;

/// What the template sets for a function in the cloud.
fn cloud() -> BTreeMap<String, String> {
    [
        ("PROVINCE", "44"),
        ("ISSUER", "https://guangdong.mealticket.example"),
        ("OPERATOR_ISSUER", "https://login.operator.example"),
        ("OPERATOR_AUDIENCE", "mealticket-44"),
        ("OPERATOR_JWKS_URL", "https://login.operator.example/jwks.json"),
        ("OPERATOR_PROVINCE_CLAIM", "province"),
        ("OPERATOR_CITIES_CLAIM", "cities"),
        ("OPERATOR_TOKEN_TYPE", "at+jwt"),
        ("OPERATOR_ACR", ""),
        ("PROVINCE_API_PATTERN", "https://{province}.mealticket.example"),
        ("SECRETS_ARN", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:keys"),
        ("SEND_LIMITS", "on"),
        ("OTP_PER_SOURCE_HOUR", "20"),
        ("OTP_PER_STACK_HOUR", "36000"),
        ("FRONT_HEADER", ""),
        ("FRONT_NETWORKS", ""),
        ("CHANNELS", "app,h5"),
        ("LOG_LEVEL", "info"),
        ("MEMBERS_TABLE", "members"),
        ("IDENTITIES_TABLE", "identities"),
        ("CATALOG_TABLE", "catalog"),
        ("STOCK_TABLE", "stock"),
        ("LEDGER_TABLE", "ledger"),
        ("MESSAGES_TABLE", "messages"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn with(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut variables = cloud();
    variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::from_variables(&variables)
}

const SWITCHES: [(&str, &str); 4] =
    [("SMS_GATEWAY", "print"), ("SEND_LIMITS", "off"), ("CLOCK_FILE", "clock"), ("WEBHOOKS_TO", "this-machine")];

#[test]
fn a_switch_for_one_machine_ends_a_process_that_would_reach_a_cloud() {
    assert!(with(&[]).is_ok());
    let here = ("AWS_ENDPOINT_URL", "http://127.0.0.1:8000");
    for switch in SWITCHES {
        for endpoints in [
            &[][..],
            &[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000")],
            &[("AWS_ENDPOINT_URL", "")],
            &[("AWS_ENDPOINT_URL", "https://dynamodb.cn-north-1.amazonaws.com.cn")],
            &[("AWS_ENDPOINT_URL", "http://127.0.0.1.example")],
            &[("AWS_ENDPOINT_URL", "http://127.0.0.1@dynamodb.example")],
            &[("AWS_ENDPOINT_URL", "http://10.0.0.1:8000")],
            &[("AWS_ENDPOINT_URL", "nonsense")],
            &[here, ("AWS_ENDPOINT_URL_KMS", "https://kms.cn-north-1.amazonaws.com.cn")],
            &[here, ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "http://192.168.0.1:8000")],
            &[here, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
        ] {
            let refused = with(&[endpoints, &[switch]].concat()).unwrap_err();
            assert_eq!(refused.name, switch.0, "{endpoints:?}");
        }
        for endpoints in [
            &[here][..],
            &[("AWS_ENDPOINT_URL", "http://[::1]:8000")],
            &[("AWS_ENDPOINT_URL", "http://localhost:4566"), ("AWS_ENDPOINT_URL_KMS", "http://127.9.9.9:1")],
            &[here, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")],
        ] {
            assert!(with(&[endpoints, &[switch]].concat()).is_ok(), "{switch:?} {endpoints:?}");
        }
    }
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    for (name, value) in [
        ("PROVINCE", "00"),
        ("OPERATOR_AUDIENCE", ""),
        ("OPERATOR_TOKEN_TYPE", "jwt"),
        ("SEND_LIMITS", "maybe"),
        ("OTP_PER_SOURCE_HOUR", "-1"),
        ("OTP_PER_STACK_HOUR", "many"),
        ("CHANNELS", ""),
        ("CHANNELS", "app,H5"),
        ("CHANNELS", "app,"),
        ("OPERATOR_ACR", "mfa,"),
        ("OPERATOR_ACR", ","),
        ("LOG_LEVEL", "lambda_runtime=trace"),
        ("LOG_LEVEL", "loud"),
    ] {
        assert_eq!(with(&[(name, value)]).unwrap_err().name, name, "{value}");
    }
    let unknown_networks = with(&[("FRONT_HEADER", "x-forwarded-for")]).unwrap_err();
    assert_eq!(unknown_networks.name, "FRONT_NETWORKS");
    let networks = ("FRONT_NETWORKS", "203.0.113.0/24, 2001:db8::/32");
    assert_eq!(with(&[("FRONT_HEADER", "no header"), networks]).unwrap_err().name, "FRONT_HEADER");
    assert!(with(&[("FRONT_HEADER", "x-forwarded-for"), networks]).unwrap().front.is_some());
}
