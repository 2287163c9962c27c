// Verifies a webhook from Mealticket: Standard Webhooks, signature v1, HMAC-SHA256 over "{id}.{timestamp}.{body}".
// Copy `verify` and what it uses. Call it before the body is parsed, and answer 400 if it refuses.
// Remember each id: a message may come more than once, always under the same id. Act on it once, and answer
// 200 again.
// Run as a program (go run verify.go), it reads samples from standard input and prints "ok" or "refused" for each.
// Go 1.20 or newer, standard library only.

package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	toleranceSeconds = 300
	signaturesMax    = 8
)

var (
	idPattern        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	timestampPattern = regexp.MustCompile(`^[1-9][0-9]{0,10}$`)
	nowPattern       = regexp.MustCompile(`^-?[0-9]{1,15}$`)
)

// decode reads base64 strictly. The decoder skips line feeds, so the result is written again and compared.
func decode(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, errors.New("not base64")
	}
	return data, nil
}

// keyOf reads a secret. The key is what the base64 after "whsec_" stands for, not the text of the secret.
func keyOf(secret string) ([]byte, error) {
	if !strings.HasPrefix(secret, "whsec_") {
		return nil, errors.New("not a secret")
	}
	key, err := decode(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("not a secret")
	}
	return key, nil
}

// verify returns nil if the message is genuine and recent. An error's text is for your log; do not tell it to the
// sender.
//
// secrets: usually one; the old and the new one while you change secrets. A malformed one refuses all.
// id, timestamp, signatures: r.Header.Get of webhook-id, webhook-timestamp and webhook-signature, "" if missing.
// body: the bytes exactly as they came, io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)). JSON that was parsed and
// written again has other bytes, and another signature.
// now: time.Now().Unix().
func verify(secrets []string, id, timestamp, signatures string, body []byte, now int64) error {
	if id == "" || timestamp == "" || signatures == "" {
		return errors.New("a header is missing")
	}
	if !idPattern.MatchString(id) {
		return errors.New("the id is malformed")
	}
	if !timestampPattern.MatchString(timestamp) {
		return errors.New("the timestamp is malformed")
	}
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the timestamp is malformed")
	}
	// Both ways: a message that was recorded must not be of use later, and one from the future is as wrong.
	if sent < now-toleranceSeconds || sent > now+toleranceSeconds {
		return errors.New("the timestamp is too far from now: is your clock right?")
	}
	given := strings.Split(signatures, " ")
	if len(given) > signaturesMax {
		return errors.New("there are too many signatures")
	}
	found := false
	for _, secret := range secrets {
		key, err := keyOf(secret)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, signature := range given {
			// Constant time: == stops at the first byte that differs, and how long it took tells where that was.
			// Signatures of another version, such as v1a, never equal ours, which begins with "v1,".
			if hmac.Equal([]byte(signature), expected) {
				found = true
			}
		}
	}
	if !found {
		return errors.New("no signature matches")
	}
	return nil
}

// sample verifies one line; separated by tabs: secrets (separated by commas), now, id, timestamp, signatures, body in
// base64.
func sample(line string) error {
	field := strings.Split(line, "\t")
	if len(field) != 6 || !nowPattern.MatchString(field[1]) {
		return errors.New("not a sample")
	}
	now, err := strconv.ParseInt(field[1], 10, 64)
	if err != nil {
		return err
	}
	body, err := decode(field[5])
	if err != nil {
		return err
	}
	return verify(strings.Split(field[0], ","), field[2], field[3], field[4], body, now)
}

func main() {
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadString('\n')
		if line != "" {
			if sample(strings.TrimSuffix(line, "\n")) == nil {
				fmt.Println("ok")
			} else {
				fmt.Println("refused")
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
