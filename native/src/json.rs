//! Values as JSON text: traces are trees of a depth and shape that no fixed type has.

use std::fmt::{self, Write};

use alloy_primitives::{U256, hex};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object; the fields stay in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Bytes, in hexadecimal.
    pub fn data(bytes: impl AsRef<[u8]>) -> Self {
        Self::Text(hex::encode_prefixed(bytes))
    }

    /// A number, in hexadecimal without leading zeros.
    pub fn quantity(number: impl TryInto<U256, Error: fmt::Debug>) -> Self {
        Self::Text(format!("{:#x}", number.try_into().expect("no number here is above 256 bits")))
    }

    /// An object of those fields that are there.
    pub fn object<const N: usize>(fields: [(&str, Option<Self>); N]) -> Self {
        let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self::Object(present.collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Text(text) => quoted(out, text),
            Self::List(values) => {
                out.write_char('[')?;
                for (turn, value) in values.iter().enumerate() {
                    write!(out, "{}{value}", if turn == 0 { "" } else { "," })?;
                }
                out.write_char(']')
            }
            Self::Object(fields) => {
                out.write_char('{')?;
                for (turn, (name, value)) in fields.iter().enumerate() {
                    out.write_str(if turn == 0 { "" } else { "," })?;
                    quoted(out, name)?;
                    write!(out, ":{value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn quoted(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            letter if letter.is_control() => write!(out, "\\u{:04x}", u32::from(letter))?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_text_or_is_invisible_is_escaped() {
        let value = Json::object([
            ("a\"b", Some(Json::Text("\\\n\u{85}é".to_owned()))),
            ("left out", None),
            ("list", Some(Json::List(vec![Json::Flag(true), Json::Number(7), Json::quantity(31u64)]))),
            ("data", Some(Json::data([0, 255]))),
        ]);
        let text = r#"{"a\"b":"\\\u000a\u0085é","list":[true,7,"0x1f"],"data":"0x00ff"}"#;
        assert_eq!(value.to_string(), text);
    }
}
