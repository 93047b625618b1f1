//! What colours a plot has, in a light and a dark look.

use plotters::style::RGBColor;

/// A look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on near black.
    Dark,
}

impl Theme {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// Returns the word for it, as it stands in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Returns the background's colour.
    pub fn background(self) -> Rgb {
        match self {
            Self::Light => Rgb(0xff, 0xff, 0xff),
            Self::Dark => Rgb(0x14, 0x17, 0x1c),
        }
    }

    /// Returns the colour of text and axes.
    pub fn ink(self) -> Rgb {
        match self {
            Self::Light => Rgb(0x22, 0x26, 0x2b),
            Self::Dark => Rgb(0xdd, 0xe1, 0xe6),
        }
    }

    /// Returns the colour of the grid.
    pub fn grid(self) -> Rgb {
        match self {
            Self::Light => Rgb(0xe4, 0xe7, 0xea),
            Self::Dark => Rgb(0x2c, 0x31, 0x38),
        }
    }

    /// Returns the colour of text and marks that stand back.
    pub fn muted(self) -> Rgb {
        match self {
            Self::Light => Rgb(0x5b, 0x64, 0x6e),
            Self::Dark => Rgb(0x9a, 0xa4, 0xae),
        }
    }

    /// Returns the colour of a series. After the last one they begin anew.
    ///
    /// The palette of Okabe and Ito ("Color universal design", 2008), which people of any colour
    /// vision can tell apart; on dark the darker ones are lightened.
    pub fn series(self, index: usize) -> Rgb {
        const LIGHT: [Rgb; 6] = [
            Rgb(0x00, 0x72, 0xb2),
            Rgb(0xd5, 0x5e, 0x00),
            Rgb(0x00, 0x9e, 0x73),
            Rgb(0xcc, 0x79, 0xa7),
            Rgb(0xe6, 0x9f, 0x00),
            Rgb(0x56, 0xb4, 0xe9),
        ];
        const DARK: [Rgb; 6] = [
            Rgb(0x56, 0xb4, 0xe9),
            Rgb(0xf2, 0x8a, 0x3c),
            Rgb(0x2f, 0xc7, 0x9a),
            Rgb(0xe5, 0x9c, 0xc4),
            Rgb(0xf0, 0xe4, 0x42),
            Rgb(0x8c, 0xa9, 0xff),
        ];
        match self {
            Self::Light => LIGHT[index % LIGHT.len()],
            Self::Dark => DARK[index % DARK.len()],
        }
    }
}

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// Returns the colour as CSS has it.
    pub fn css(self) -> String {
        let Self(red, green, blue) = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

impl From<Rgb> for RGBColor {
    fn from(Rgb(red, green, blue): Rgb) -> Self {
        Self(red, green, blue)
    }
}
