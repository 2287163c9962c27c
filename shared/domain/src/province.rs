//! The provinces of GB/T 2260. Their two-digit code opens every coupon code.
//!
//! A province is one stack, with tables and keys of its own. So the code says which stack can read it.

use std::{fmt, str::FromStr};

/// Code, Chinese name and English name: all 34 of the province level of GB/T 2260-2007.
const PROVINCES: [(&str, &str, &str); 34] = [
    ("11", "北京", "Beijing"),
    ("12", "天津", "Tianjin"),
    ("13", "河北", "Hebei"),
    ("14", "山西", "Shanxi"),
    ("15", "内蒙古", "Inner Mongolia"),
    ("21", "辽宁", "Liaoning"),
    ("22", "吉林", "Jilin"),
    ("23", "黑龙江", "Heilongjiang"),
    ("31", "上海", "Shanghai"),
    ("32", "江苏", "Jiangsu"),
    ("33", "浙江", "Zhejiang"),
    ("34", "安徽", "Anhui"),
    ("35", "福建", "Fujian"),
    ("36", "江西", "Jiangxi"),
    ("37", "山东", "Shandong"),
    ("41", "河南", "Henan"),
    ("42", "湖北", "Hubei"),
    ("43", "湖南", "Hunan"),
    ("44", "广东", "Guangdong"),
    ("45", "广西", "Guangxi"),
    ("46", "海南", "Hainan"),
    ("50", "重庆", "Chongqing"),
    ("51", "四川", "Sichuan"),
    ("52", "贵州", "Guizhou"),
    ("53", "云南", "Yunnan"),
    ("54", "西藏", "Tibet"),
    ("61", "陕西", "Shaanxi"),
    ("62", "甘肃", "Gansu"),
    ("63", "青海", "Qinghai"),
    ("64", "宁夏", "Ningxia"),
    ("65", "新疆", "Xinjiang"),
    ("71", "台湾", "Taiwan"),
    ("81", "香港", "Hong Kong"),
    ("82", "澳门", "Macao"),
];

/// A province. Only the codes of GB/T 2260 exist, so whoever has one need not check it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Province(&'static (&'static str, &'static str, &'static str));

/// The text is not a province code of GB/T 2260.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a province is one of the two-digit codes of GB/T 2260")]
pub struct ProvinceError;

impl Province {
    /// The two-digit code, like `44`.
    pub fn code(self) -> &'static str {
        self.0.0
    }

    /// The short name in Chinese, like 广东, for a refusal's words.
    pub fn name_zh(self) -> &'static str {
        self.0.1
    }

    /// The name in English, like Guangdong, for a refusal's words.
    pub fn name_en(self) -> &'static str {
        self.0.2
    }
}

/// Reads a two-digit code, like `44`. Names and longer codes are refused.
impl FromStr for Province {
    type Err = ProvinceError;
    fn from_str(text: &str) -> Result<Self, ProvinceError> {
        PROVINCES.iter().find(|(code, _, _)| *code == text).map(Province).ok_or(ProvinceError)
    }
}

impl fmt::Debug for Province {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
