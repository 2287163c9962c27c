#!/bin/sh
# From sign-up to redemption, against the province that `cargo stack up` keeps running at {{api}}.
# It asks for the one-time code, which that terminal prints. Every request is a line of curl that you can copy.
set -eu

API={{api}}
DATA={{data}}
PHONE=${1:-+8613800138000}

# The value at a path of an answer, such as session.access_token.
value() { python3 -c 'import functools, json, sys; print(functools.reduce(lambda at, name: at[name], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }
ask() { curl --noproxy '*' --silent --show-error --header 'content-type: application/json' --header 'accept-language: en' "$@"; }
stack() { if [ -n "$DATA" ]; then cargo stack "$@" --data "$DATA"; else cargo stack "$@"; fi; }
say() { printf '\n%s\n' "$1"; }

say "1. The app asks for a one-time code for $PHONE."
CHALLENGE=$(ask "$API/v1/otp-challenges" --data "{\"phone\":\"$PHONE\"}" | value challenge_id)

printf 'The six digits that `cargo stack up` has printed: '
read -r OTP

say '2. The person signs up.'
PROOF="{\"type\":\"sms_otp\",\"challenge_id\":\"$CHALLENGE\",\"otp\":\"$OTP\"}"
MEMBER=$(ask "$API/v1/members" --data "{\"proof\":$PROOF,\"channel\":\"app\",\"consent\":{\"terms_version\":\"1\",\"privacy_version\":\"1\"}}")
echo "$MEMBER"
TOKEN=$(echo "$MEMBER" | value session.access_token)

say '3. The member claims a benefit.'
COUPON=$(ask "$API/v1/campaigns/cmp_0001/claims" --header "authorization: Bearer $TOKEN" --header 'idempotency-key: my-first-claim-1' --data '{"channel":"app"}')
echo "$COUPON"
CODE=$(echo "$COUPON" | value code)

say '4. The cashier redeems its code.'
TILL=$(stack token --merchant mch_luckytea)
ask "$API/v1/redemptions" --header "authorization: Bearer $TILL" --header "idempotency-key: till-1-$CODE" \
    --data "{\"code\":\"$CODE\",\"store_id\":\"sto_luckytea01\",\"order\":{\"order_no\":\"A-1\",\"amount_fen\":2350}}"
echo

say '5. The member claims another benefit, and looks into the wallet.'
ask "$API/v1/campaigns/cmp_0006/claims" --header "authorization: Bearer $TOKEN" --header 'idempotency-key: my-second-claim-1' --data '{"channel":"app"}'
echo
ask "$API/v1/wallet" --header "authorization: Bearer $TOKEN"
echo
