//! List prices, dated. Who pays otherwise, or knows better, says so with [`Rates`] of one's own.

use crate::{
    message::WireKind,
    money::{Money, Price},
    response::Usage,
};

/// When the table below was last compared with the providers' pages.
pub const PRICES_DATED: &str = "2026-11-22";

/// What a model's tokens cost, in billionths of a US dollar for each: 1,000 is a dollar for a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Input that no cache holds.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache for minutes.
    pub cache_write: u64,
    /// Input written to a cache for an hour.
    pub cache_write_hour: u64,
    /// Output, reasoning included.
    pub output: u64,
}

/// Rates of a model by the length of its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// For prompts up to the threshold.
    pub rates: Rates,
    /// Above so many tokens of prompt, cached ones counted, the whole request is charged at other rates.
    pub long: Option<(u64, Rates)>,
}

impl Rates {
    /// Anthropic's: cache writes are 1.25 and 2 times the input's rate. In billionths of a dollar for a token.
    const fn anthropic(input: u64, output: u64, cache_read: u64) -> Self {
        Self {
            input,
            cache_read,
            cache_write: input * 5 / 4,
            cache_write_hour: input * 2,
            output,
        }
    }

    /// `OpenAI`'s since GPT-6: cache writes are 1.25 times the input's rate, for however long it keeps them.
    const fn openai(input: u64, output: u64, cache_read: u64) -> Self {
        Self {
            input,
            cache_read,
            cache_write: input * 5 / 4,
            cache_write_hour: input * 5 / 4,
            output,
        }
    }

    /// Returns what tokens cost at these rates.
    pub fn cost(&self, usage: &Usage) -> Money {
        Money(self.input)
            .times(usage.input_tokens)
            .plus(Money(self.cache_read).times(usage.cache_read_tokens))
            .plus(Money(self.cache_write).times(usage.cache_write_tokens))
            .plus(Money(self.cache_write_hour).times(usage.cache_write_hour_tokens))
            .plus(Money(self.output).times(usage.output_tokens))
    }
}

const fn flat(rates: Rates) -> PriceList {
    PriceList { rates, long: None }
}

/// GPT-6: above 272,000 tokens of prompt input and caches cost twice, output 1.5 times as much.
const fn gpt6(input: u64, output: u64, cache_read: u64) -> PriceList {
    PriceList {
        rates: Rates::openai(input, output, cache_read),
        long: Some((
            272_000,
            Rates::openai(input * 2, output * 3 / 2, cache_read * 2),
        )),
    }
}

/// Sources: platform.claude.com/docs/en/about-claude/pricing and its model pages, with the cut of Sonnet 5.5's cache
/// reads of 2026-10-07; developers.openai.com/api/docs/pricing and its model pages. Standard tier, no batch, no regional
/// surcharge. A model that is not here has no price, whatever its name begins with.
const TABLE: [(WireKind, &str, PriceList); 18] = [
    (
        WireKind::Anthropic,
        "claude-fable-5-1",
        flat(Rates::anthropic(10_000, 50_000, 250)),
    ),
    (
        WireKind::Anthropic,
        "claude-mythos-5-1",
        flat(Rates::anthropic(10_000, 50_000, 250)),
    ),
    (
        WireKind::Anthropic,
        "claude-fable-5",
        flat(Rates::anthropic(10_000, 50_000, 1_000)),
    ),
    (
        WireKind::Anthropic,
        "claude-opus-5-5",
        flat(Rates::anthropic(4_000, 20_000, 200)),
    ),
    (
        WireKind::Anthropic,
        "claude-opus-5",
        flat(Rates::anthropic(5_000, 25_000, 500)),
    ),
    (
        WireKind::Anthropic,
        "claude-opus-4-8",
        flat(Rates::anthropic(5_000, 25_000, 500)),
    ),
    (
        WireKind::Anthropic,
        "claude-opus-4-7",
        flat(Rates::anthropic(5_000, 25_000, 500)),
    ),
    (
        WireKind::Anthropic,
        "claude-opus-4-6",
        flat(Rates::anthropic(5_000, 25_000, 500)),
    ),
    (
        WireKind::Anthropic,
        "claude-sonnet-5-5",
        flat(Rates::anthropic(2_000, 10_000, 100)),
    ),
    (
        WireKind::Anthropic,
        "claude-sonnet-5",
        flat(Rates::anthropic(2_000, 10_000, 200)),
    ),
    (
        WireKind::Anthropic,
        "claude-sonnet-4-6",
        flat(Rates::anthropic(3_000, 15_000, 300)),
    ),
    (
        WireKind::Anthropic,
        "claude-haiku-5-5",
        PriceList {
            rates: Rates {
                input: 100,
                cache_read: 10,
                cache_write: 125,
                cache_write_hour: 200,
                output: 500,
            },
            long: Some((100_000, Rates::anthropic(500, 2_500, 50))),
        },
    ),
    (
        WireKind::Anthropic,
        "claude-haiku-4-5",
        flat(Rates::anthropic(1_000, 5_000, 100)),
    ),
    (
        WireKind::Anthropic,
        "claude-haiku-4-5-20251001",
        flat(Rates::anthropic(1_000, 5_000, 100)),
    ),
    (
        WireKind::Responses,
        "gpt-6-astra",
        gpt6(10_000, 50_000, 1_000),
    ),
    (WireKind::Responses, "gpt-6-sol", gpt6(2_000, 10_000, 200)),
    (WireKind::Responses, "gpt-6.1-sol", gpt6(2_000, 10_000, 100)),
    (WireKind::Responses, "gpt-6-luna", gpt6(100, 500, 10)),
];

/// Returns the list prices of a model by its exact id; nothing for one that the table does not hold.
pub fn list_price(wire: WireKind, model: &str) -> Option<PriceList> {
    let mut rows = TABLE.iter();
    let row = rows.find(|(of, name, _)| *of == wire && *name == model)?;
    Some(row.2)
}

impl PriceList {
    /// Returns what an attempt costs. Unknown where nobody counted.
    pub fn price(&self, usage: &Usage) -> Price {
        if !usage.reported {
            return Price::Unknown;
        }
        let rates = match self.long {
            Some((above, long)) if usage.prompt_tokens() > above => long,
            Some(_) | None => self.rates,
        };
        Price::Known {
            amount: rates.cost(usage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, read: u64, write: u64, hour: u64, output: u64) -> Usage {
        Usage {
            input_tokens: input,
            cache_read_tokens: read,
            cache_write_tokens: write,
            cache_write_hour_tokens: hour,
            output_tokens: output,
            reasoning_tokens: None,
            reported: true,
        }
    }

    fn price(wire: WireKind, model: &str, usage: &Usage) -> String {
        let list = list_price(wire, model).unwrap();
        list.price(usage).amount().unwrap().to_string()
    }

    #[test]
    fn a_million_tokens_cost_what_the_list_says() {
        let million = 1_000_000;
        let opus = |usage| price(WireKind::Anthropic, "claude-opus-5-5", &usage);
        assert_eq!(opus(usage(million, 0, 0, 0, 0)), "$4.00");
        assert_eq!(opus(usage(0, million, 0, 0, 0)), "$0.20");
        assert_eq!(opus(usage(0, 0, million, 0, 0)), "$5.00");
        assert_eq!(opus(usage(0, 0, 0, million, 0)), "$8.00");
        assert_eq!(opus(usage(0, 0, 0, 0, million)), "$20.00");
    }

    #[test]
    fn long_prompts_cost_other_rates_for_the_whole_request() {
        let haiku = |usage| price(WireKind::Anthropic, "claude-haiku-5-5", &usage);
        assert_eq!(haiku(usage(50_000, 50_000, 0, 0, 1_000)), "$0.006");
        assert_eq!(haiku(usage(50_001, 50_000, 0, 0, 1_000)), "$0.0300005");
        let sol = |usage| price(WireKind::Responses, "gpt-6-sol", &usage);
        assert_eq!(sol(usage(272_000, 0, 0, 0, 0)), "$0.544");
        assert_eq!(sol(usage(300_000, 0, 0, 0, 1_000)), "$1.215");
    }

    #[test]
    fn what_is_not_known_has_no_price() {
        for (wire, model) in [
            (WireKind::Anthropic, "claude-opus-5-5-20990101"),
            (WireKind::Chat, "claude-opus-5-5"),
            (WireKind::Responses, "gpt-6-sol-next"),
        ] {
            assert_eq!(list_price(wire, model), None, "{model}");
        }
        let list = list_price(WireKind::Anthropic, "claude-opus-5").unwrap();
        assert_eq!(list.price(&Usage::default()), Price::Unknown);
    }

    #[test]
    fn no_rate_in_the_table_is_nothing() {
        for (_, name, list) in TABLE {
            let long = list.long.map(|(_, rates)| rates);
            for rates in [Some(list.rates), long].into_iter().flatten() {
                let all = [
                    rates.input,
                    rates.cache_read,
                    rates.cache_write,
                    rates.cache_write_hour,
                    rates.output,
                ];
                assert!(all.iter().all(|rate| *rate > 0), "{name}: {rates:?}");
                assert!(
                    rates.cache_read < rates.input && rates.input < rates.output,
                    "{name}"
                );
            }
        }
    }
}
