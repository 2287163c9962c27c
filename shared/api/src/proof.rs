//! The proof that a code was presented (C2). A validation and a hold give it to a merchant, and its report
//! brings it back.
//!
//! `0x01 ‖ key version (2 bytes) ‖ instant (8) ‖ seconds held (2) ‖ HMAC-SHA-256 cut to 16 bytes`, in
//! base64url: 39 characters. The authentication code covers these bytes and the merchant, the coupon and the
//! order, which the report names itself. Nothing of it is stored.

use crate::vault::Vault;
use aws_lc_rs::constant_time;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mealticket_domain::{CouponKey, MerchantId, OrderNo, Timestamp, presentation::Presentation};

/// The first byte of a proof. Another format would have another.
const FORMAT: u8 = 1;
/// Bytes before the authentication code: the format, the key's version, the instant, the seconds held.
const HEAD_BYTES: usize = 1 + 2 + 8 + 2;
/// Bytes of the authentication code: 128 bits.
///
/// 2⁶⁴ reports a second would need 2⁶³ seconds to guess one.
const MAC_BYTES: usize = 16;

/// What a proof is about, besides what it says.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The merchant that the code was presented to.
    pub merchant: &'a MerchantId,
    /// The key of the coupon whose code it was.
    pub coupon: CouponKey,
    /// The merchant's number of the order that it was presented for.
    pub order_no: &'a OrderNo,
}

impl Vault {
    /// The proof that this merchant holds from now on: 39 characters of base64url.
    ///
    /// The same presentation gives the same proof, as long as the newest key of proofs stays the same.
    pub fn proof(&self, subject: Subject<'_>, shown: &Presentation) -> String {
        let head = head(shown);
        let mac = parts(subject, &head, |parts| self.proofs.mac(parts));
        let mac = mac.first_chunk::<MAC_BYTES>().map_or(&[][..], |mac| mac);
        URL_SAFE_NO_PAD.encode([&head, mac].concat())
    }

    /// What a proof says; `None` when it is not ours, or is about another merchant, coupon or order.
    ///
    /// Every key of the ring is tried, in constant time. Whether it is too old is for
    /// [`Presentation::proves`](mealticket_domain::presentation::Presentation::proves).
    pub fn read_proof(&self, subject: Subject<'_>, text: &str) -> Option<Presentation> {
        let bytes: [u8; HEAD_BYTES + MAC_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (head, proof) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let is_right = |mac: [u8; 32]| {
            mac.first_chunk::<MAC_BYTES>().is_some_and(|mac| constant_time::verify_slices_are_equal(mac, proof).is_ok())
        };
        let is_ours = parts(subject, head, |parts| self.proofs.any(parts, is_right));
        if is_ours { read_head(head) } else { None }
    }
}

/// Hands over what the code authenticates, so that making and checking it cannot differ.
fn parts<T>(subject: Subject<'_>, head: &[u8], with: impl FnOnce(&[&[u8]]) -> T) -> T {
    let CouponKey { member, campaign, ordinal } = subject.coupon;
    with(&[
        b"presented",
        subject.merchant.as_str().as_bytes(),
        &member.get().to_be_bytes(),
        &campaign.get().to_be_bytes(),
        &[ordinal.get()],
        subject.order_no.as_str().as_bytes(),
        head,
    ])
}

/// The bytes of a presentation. Without a hold the seconds held are 0.
fn head(shown: &Presentation) -> [u8; HEAD_BYTES] {
    let held = shown.held_until.map_or(0, |until| until.seconds_since(shown.at));
    let held = u16::try_from(held).unwrap_or(0).to_be_bytes();
    let version = shown.key_version.to_be_bytes();
    let at = shown.at.unix_seconds().to_be_bytes();
    let mut head = [FORMAT; HEAD_BYTES];
    let fields = version.iter().chain(&at).chain(&held);
    head.iter_mut().skip(1).zip(fields).for_each(|(to, from)| *to = *from);
    head
}

/// The presentation that these bytes say; `None` for another format or an instant out of range.
fn read_head(head: &[u8; HEAD_BYTES]) -> Option<Presentation> {
    let [FORMAT, rest @ ..] = head else { return None };
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let at = Timestamp::from_unix_seconds(i64::from_be_bytes(*at))?;
    let held = i64::from(u16::from_be_bytes(rest.try_into().ok()?));
    let held_until = (held > 0).then(|| at.plus_seconds(held));
    Some(Presentation { key_version: u16::from_be_bytes(*version), at, held_until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{Key, Secrets, VersionedKey};

    fn coupon(ordinal: u8) -> CouponKey {
        CouponKey {
            member: 7u64.try_into().unwrap(),
            campaign: 1u32.try_into().unwrap(),
            ordinal: ordinal.try_into().unwrap(),
        }
    }

    #[test]
    fn a_proof_says_what_it_was_made_of_and_notices_every_flipped_bit_and_every_other_subject() {
        let mut secrets = Secrets::generate().unwrap();
        let vault = Vault::new(&secrets).unwrap();
        let (tea, other): (MerchantId, MerchantId) = ("mch_tea".parse().unwrap(), "mch_teb".parse().unwrap());
        let (order_no, other_no): (OrderNo, OrderNo) = ("A-1".parse().unwrap(), "A-2".parse().unwrap());
        let subject = Subject { merchant: &tea, coupon: coupon(0), order_no: &order_no };
        let at: Timestamp = "2026-11-22T04:00:00Z".parse().unwrap();
        for held_until in [None, Some(at.plus_seconds(3_600))] {
            let shown = Presentation { key_version: 65_535, at, held_until };
            let text = vault.proof(subject, &shown);
            assert_eq!((text.len(), vault.read_proof(subject, &text)), (39, Some(shown)));
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut spoilt = bytes.clone();
                spoilt[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(vault.read_proof(subject, &URL_SAFE_NO_PAD.encode(spoilt)), None, "bit {bit}");
            }
            for length in 0..text.len() {
                assert_eq!(vault.read_proof(subject, &text[..length]), None, "cut to {length}");
            }
            for wrong in [
                Subject { merchant: &other, ..subject },
                Subject { coupon: coupon(1), ..subject },
                Subject { order_no: &other_no, ..subject },
            ] {
                assert_eq!(vault.read_proof(wrong, &text), None, "{wrong:?}");
            }
            secrets.proof_keys.insert(0, VersionedKey { version: 2, key: Key([1; 32]) });
            assert_eq!(Vault::new(&secrets).unwrap().read_proof(subject, &text), Some(shown), "an older key");
            secrets.proof_keys.remove(0);
            let stranger = Vault::new(&Secrets::generate().unwrap()).unwrap();
            assert_eq!(stranger.read_proof(subject, &text), None, "another province's key");
        }
    }
}
