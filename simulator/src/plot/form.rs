//! What a plot is drawn for, and how large it is there.

/// What a plot is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An image of its own, with its title in it.
    Image,
    /// A page that has the title already, on a wide screen.
    Wide,
    /// The same on a telephone: as wide as that, so that text stays readable.
    Narrow,
    /// As wide as [`Form::Wide`] and low, to stand above or below one of those on the same axis.
    WideStrip,
    /// As wide as [`Form::Narrow`] and low.
    NarrowStrip,
    /// One of many, side by side.
    Small,
}

impl Form {
    /// Returns width and height in pixels.
    pub(super) fn size(self) -> (u32, u32) {
        match self {
            Self::Image => (880, 500),
            Self::Wide => (1_000, 500),
            Self::Narrow => (360, 420),
            Self::WideStrip => (1_000, 210),
            Self::NarrowStrip => (360, 210),
            Self::Small => (380, 230),
        }
    }

    /// Returns what the labels of the left axis take, in pixels.
    pub(super) fn y_label_area(self) -> u32 {
        match self {
            Self::Image | Self::Wide | Self::WideStrip => 64,
            Self::Small => 60,
            Self::Narrow | Self::NarrowStrip => 48,
        }
    }
}
