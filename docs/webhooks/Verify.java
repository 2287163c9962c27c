// Verifies a webhook from Mealticket: Standard Webhooks, signature v1, HMAC-SHA256 over "{id}.{timestamp}.{body}".
// Copy `verify` and what it uses. Call it before the body is parsed, and answer 400 if it refuses.
// Remember each id: a message may come more than once, always under the same id. Act on it once, and answer
// 200 again.
// Run as a program (java Verify.java), it reads samples from standard input and prints "ok" or "refused" for each.
// Java 11 or newer, standard library only.

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Verify {
    static final long TOLERANCE_SECONDS = 300;
    static final int SIGNATURES_MAX = 8;

    /** The message is not to be trusted. The text is for your log; do not tell it to the sender. */
    static class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    /** Base64, strictly. The decoder lets missing padding pass, so the result is written again and compared. */
    static byte[] decode(String text) throws Refused {
        try {
            byte[] data = Base64.getDecoder().decode(text);
            if (Base64.getEncoder().encodeToString(data).equals(text)) return data;
        } catch (IllegalArgumentException e) {
            // Refused below.
        }
        throw new Refused("not base64");
    }

    /** The key is what the base64 after `whsec_` stands for, not the text of the secret. */
    static byte[] keyOf(String secret) throws Refused {
        if (!secret.startsWith("whsec_")) throw new Refused("not a secret");
        byte[] key = decode(secret.substring("whsec_".length()));
        if (key.length < 24 || key.length > 64) throw new Refused("not a secret");
        return key;
    }

    /**
     * Returns if the message is genuine and recent, else throws `Refused`.
     *
     * @param secrets usually one; the old and the new one while you change secrets; a malformed one refuses all
     * @param id the header webhook-id, null if missing
     * @param timestamp the header webhook-timestamp, null if missing
     * @param signatures the header webhook-signature, null if missing
     * @param body the bytes exactly as they came (Servlet: getInputStream().readAllBytes(), Spring: a `@RequestBody
     *     byte[]`); JSON that was parsed and written again has other bytes, and another signature
     * @param now System.currentTimeMillis() / 1000, seconds and not milliseconds
     */
    static void verify(List<String> secrets, String id, String timestamp, String signatures, byte[] body, long now)
            throws Refused, GeneralSecurityException {
        List<byte[]> keys = new ArrayList<>();
        for (String secret : secrets) keys.add(keyOf(secret));
        if (id == null || timestamp == null || signatures == null) throw new Refused("a header is missing");
        // An empty header does not match either.
        if (!id.matches("[A-Za-z0-9_-]{1,64}")) throw new Refused("the id is malformed");
        if (!timestamp.matches("[1-9][0-9]{0,10}")) throw new Refused("the timestamp is malformed");
        // Both ways: a message that was recorded must not be of use later, and one from the future is as wrong.
        long sent = Long.parseLong(timestamp);
        if (sent < now - TOLERANCE_SECONDS || sent > now + TOLERANCE_SECONDS) {
            throw new Refused("the timestamp is too far from now: is your clock right?");
        }
        String[] given = signatures.split(" ", -1);
        if (given.length > SIGNATURES_MAX) throw new Refused("there are too many signatures");
        boolean found = false;
        for (byte[] key : keys) {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
            byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body)))
                    .getBytes(StandardCharsets.UTF_8);
            for (String signature : given) {
                // Constant time: String.equals stops at the first character that differs, and how long it took tells
                // where that was. Signatures of another version, such as v1a, never equal ours.
                found |= MessageDigest.isEqual(signature.getBytes(StandardCharsets.UTF_8), expected);
            }
        }
        if (!found) throw new Refused("no signature matches");
    }

    /** Per line, separated by tabs: secrets (separated by commas), now, id, timestamp, signatures, body in base64. */
    public static void main(String[] args) throws IOException, GeneralSecurityException {
        String input = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        if (input.isEmpty()) return;
        if (input.endsWith("\n")) input = input.substring(0, input.length() - 1);
        for (String line : input.split("\n", -1)) {
            try {
                String[] field = line.split("\t", -1);
                if (field.length != 6 || !field[1].matches("-?[0-9]{1,15}")) throw new Refused("not a sample");
                long now = Long.parseLong(field[1]);
                verify(List.of(field[0].split(",", -1)), field[2], field[3], field[4], decode(field[5]), now);
                System.out.println("ok");
            } catch (Refused e) {
                System.out.println("refused");
            }
        }
    }
}
