//! The ablation: which detectors come with which layer of defence.

/// A layer of defence with the detectors that it adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// In words.
    pub name: &'static str,
    /// Short names of its detectors.
    pub detectors: &'static [&'static str],
}

/// All layers, each on top of those before it.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "naive grader",
        detectors: &[],
    },
    Layer {
        name: "+ clean room",
        detectors: &[
            "D05", "D11", "D13", "D14", "D15", "D18", "D22", "D23", "D27",
        ],
    },
    Layer {
        name: "+ tripwires and honeypots",
        detectors: &["D01", "D02", "D03", "D06", "D08", "D09", "D25"],
    },
    Layer {
        name: "+ static rules and copies",
        detectors: &["D16", "D17", "D19", "D20", "D21"],
    },
    Layer {
        name: "+ claimed against recomputed",
        detectors: &["D04", "D10", "D12", "D24"],
    },
];
