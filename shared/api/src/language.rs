//! The language of words, as `Accept-Language` asks for it (RFC 9110, section 12.5.4).

/// A language that refusals have words in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 简体中文.
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language of an `Accept-Language` header: the first of ours by weight.
    ///
    /// Chinese when the header is absent or names neither. A weight of 0 excludes a language.
    ///
    /// ```text
    /// "en-GB;q=0.8, zh;q=0.5"     English
    /// "fr"                        Chinese
    /// ```
    pub fn accepted(header: Option<&str>) -> Self {
        let weighted = header.unwrap_or_default().split(',').filter_map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let language = match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
                "zh" => Language::Zh,
                "en" => Language::En,
                _ => return None,
            };
            Some((language, weight(parameters)))
        });
        // The first of equal weights wins: `max_by` would take the last.
        let best = weighted.fold(None, |best: Option<(Language, u16)>, next| match best {
            Some(known) if known.1 >= next.1 => Some(known),
            _ => Some(next),
        });
        best.filter(|(_, weight)| *weight > 0).map_or(Language::Zh, |(language, _)| language)
    }

    /// The tag of `Content-Language` (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Language::Zh => "zh-CN",
            Language::En => "en",
        }
    }
}

/// The weight of a range in thousandths: `q=0.8` is 800. It is 1 000 when absent or unreadable.
fn weight(parameters: &str) -> u16 {
    let q = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some((whole, part)) = q.map(|q| q.split_once('.').unwrap_or((q, ""))) else { return 1_000 };
    let thousandths = format!("{part:0<3}").get(..3).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(0);
    if whole == "0" { thousandths } else { 1_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accepted_language_is_the_heaviest_of_ours_and_chinese_otherwise() {
        for (header, language) in [
            (None, Language::Zh),
            (Some(""), Language::Zh),
            (Some("fr"), Language::Zh),
            (Some("en"), Language::En),
            (Some("en-US,en;q=0.9,zh;q=0.8"), Language::En),
            (Some("en;q=0.5, zh-CN;q=0.9"), Language::Zh),
            (Some("zh;q=0, en;q=0.1"), Language::En),
            (Some("en;q=0"), Language::Zh),
            (Some("券"), Language::Zh),
            (Some(";;;,,,q=9"), Language::Zh),
        ] {
            assert_eq!(Language::accepted(header), language, "{header:?}");
        }
    }
}
