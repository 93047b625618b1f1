//! Reports as pages: one look for all of them, light and dark, wide and narrow.
//!
//! A page is one file that needs nothing else: no script, no font, no image from anywhere, and its
//! policy forbids them, so that what a trace says can do nothing. Text is escaped wherever it is
//! put in. What a page says is up to the report; nothing is measured here.

use std::path::Path;

use anyhow::Context as _;
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use simulator::plot::{Form, Plot, Theme};

use crate::reading::shown;
use crate::writing::write_whole;

const STYLE: &str = include_str!("page.css");

/// Styles of the page itself, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     img-src data:; base-uri 'none'; form-action 'none'";

/// A page in the making.
pub(crate) struct Page {
    title: String,
    summary: Markup,
    sections: Vec<Section>,
    made_from: String,
}

struct Section {
    /// What links lead to.
    id: &'static str,
    title: String,
    content: Markup,
}

impl Page {
    /// Begins a page with what it is about, and what it was made from.
    pub(crate) fn new(title: &str, summary: Markup, made_from: &str) -> Self {
        Self {
            title: title.to_owned(),
            summary,
            sections: Vec::new(),
            made_from: made_from.to_owned(),
        }
    }

    /// Adds a section. Its id is there once on a page.
    pub(crate) fn section(&mut self, id: &'static str, title: impl Into<String>, content: Markup) {
        self.sections.push(Section {
            id,
            title: title.into(),
            content,
        });
    }

    /// Writes it as a whole or not at all.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let page = self.render().into_string();
        write_whole(file, page.as_bytes())
            .with_context(|| format!("cannot write the page {}", shown(file)))
    }
}

impl Render for Page {
    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    // Without one a browser asks the server for it.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(colors())) (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        (self.summary)
                        nav aria-label="Sections" {
                            ul {
                                @for section in &self.sections {
                                    li { a href={ "#" (section.id) } { (section.title) } }
                                }
                            }
                        }
                    }
                    main {
                        @for section in &self.sections {
                            section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                                h2 id={ (section.id) "-title" } { (section.title) }
                                (section.content)
                            }
                        }
                    }
                    footer { (self.made_from) }
                }
            }
        }
    }
}

/// The colours of the plots, for the page around them.
fn colors() -> String {
    let of = |theme: Theme| {
        format!(
            ":root{{--background:{};--ink:{};--muted:{};--grid:{};--accent:{};--best:{};--worst:{}}}",
            theme.background().css(),
            theme.ink().css(),
            theme.muted().css(),
            theme.grid().css(),
            theme.series(0).css(),
            theme.series(0).css(),
            theme.series(1).css(),
        )
    };
    format!(
        "{}\n@media (prefers-color-scheme: dark){{{}}}\n",
        of(Theme::Light),
        of(Theme::Dark)
    )
}

/// A table. What it is about is said to those who cannot see what stands around it.
pub(crate) struct Table {
    pub(crate) caption: String,
    /// The first one is above the names of the rows.
    pub(crate) columns: Vec<Heading>,
    pub(crate) groups: Vec<Group>,
}

/// What a column is called.
pub(crate) struct Heading {
    pub(crate) title: String,
    /// In which its numbers are; empty where they have none.
    pub(crate) unit: String,
    pub(crate) kind: Kind,
}

/// What stands in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word or a few.
    Text,
    /// Sentences, which need some width.
    Prose,
    /// Aligned to the right.
    Number,
}

impl Kind {
    fn class(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Prose => Some("prose"),
            Self::Number => Some("number"),
        }
    }
}

impl Heading {
    pub(crate) fn text(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            unit: String::new(),
            kind: Kind::Text,
        }
    }

    pub(crate) fn prose(title: &str) -> Self {
        Self {
            kind: Kind::Prose,
            ..Self::text(title)
        }
    }

    pub(crate) fn number(title: &str, unit: &str) -> Self {
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            kind: Kind::Number,
        }
    }
}

/// Rows that belong together.
pub(crate) struct Group {
    /// Why; empty where there is but one group.
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// A row.
pub(crate) struct Row {
    pub(crate) name: Markup,
    pub(crate) cells: Vec<Markup>,
    pub(crate) is_strong: bool,
}

impl Row {
    pub(crate) fn new(name: Markup, cells: Vec<Markup>) -> Self {
        Self {
            name,
            cells,
            is_strong: false,
        }
    }
}

impl Table {
    /// A table without groups.
    pub(crate) fn of_rows(caption: &str, columns: Vec<Heading>, rows: Vec<Row>) -> Self {
        Self {
            caption: caption.to_owned(),
            columns,
            groups: vec![Group { name: "", rows }],
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            // Whoever has no mouse scrolls it with the arrow keys.
            div.scroll role="region" aria-label=(self.caption) tabindex="0" {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            @for column in &self.columns {
                                th scope="col" class=[column.kind.class()] {
                                    (column.title)
                                    @if !column.unit.is_empty() { " " small { (column.unit) } }
                                }
                            }
                        }
                    }
                    @for group in &self.groups {
                        tbody {
                            @if !group.name.is_empty() {
                                tr {
                                    th.group scope="rowgroup" colspan=(self.columns.len()) {
                                        (group.name)
                                    }
                                }
                            }
                            @for row in &group.rows {
                                tr class=[row.is_strong.then_some("strong")] {
                                    th scope="row" { (row.name) }
                                    @for (cell, column) in row.cells.iter().zip(&self.columns[1..]) {
                                        td class=[column.kind.class()] { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is drawn for wide screens and for narrow ones.
const WHOLE: [(Form, &str); 2] = [(Form::Wide, "wide"), (Form::Narrow, "narrow")];
const STRIP: [(Form, &str); 2] = [(Form::WideStrip, "wide"), (Form::NarrowStrip, "narrow")];
const SMALL: [(Form, &str); 1] = [(Form::Small, "any")];

/// A plot, for each look and width; the reader's browser shows the one that fits.
pub(crate) fn figure(plot: &Plot, caption: &Markup) -> anyhow::Result<Markup> {
    Ok(html! {
        figure {
            (looks(plot, &WHOLE)?)
            figcaption { (caption) }
        }
    })
}

/// Plots one above the other that share their lower axis: low ones around a high one.
pub(crate) fn aligned(
    above: Option<&Plot>,
    middle: &Plot,
    below: &Plot,
    caption: &Markup,
) -> anyhow::Result<Markup> {
    Ok(html! {
        figure {
            @if let Some(above) = above { (looks(above, &STRIP)?) }
            (looks(middle, &WHOLE)?)
            (looks(below, &STRIP)?)
            figcaption { (caption) }
        }
    })
}

/// Small plots side by side, in groups that have a title each.
pub(crate) fn multiples(groups: &[(Markup, Vec<Plot>)]) -> anyhow::Result<Markup> {
    Ok(html! {
        div.multiples {
            @for (title, plots) in groups {
                div {
                    h3 { (title) }
                    @for plot in plots { (looks(plot, &SMALL)?) }
                }
            }
        }
    })
}

/// A plot in each theme and each of some forms.
fn looks(plot: &Plot, forms: &[(Form, &str)]) -> anyhow::Result<Markup> {
    let mut drawn = Vec::new();
    for theme in Theme::ALL {
        for (form, width) in forms {
            let class = format!("{} {width}", theme.name());
            drawn.push((class, plot.svg(theme, *form)?));
        }
    }
    Ok(html! {
        @for (class, svg) in &drawn {
            // A plot escapes what it is given.
            div class=(class) { (PreEscaped(svg)) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_whatever_it_says() {
        const EVIL: &str = "</title></style><script>alert(1)</script>\"onload='x'&";
        let table = Table::of_rows(
            EVIL,
            vec![Heading::text(EVIL), Heading::number(EVIL, EVIL)],
            vec![Row::new(html! { (EVIL) }, vec![html! { (EVIL) }])],
        );
        let mut page = Page::new(EVIL, html! { p { (EVIL) } }, EVIL);
        page.section("only", "Only", html! { (table) });
        let written = page.render().into_string();
        assert!(!written.contains("<script"), "{written}");
        assert!(!written.contains("\"onload"), "{written}");
        assert_eq!(written.matches("</title>").count(), 1);
        assert_eq!(written.matches("</style>").count(), 1);
    }

    #[test]
    fn a_table_names_its_rows_and_columns() {
        let table = Table::of_rows(
            "Tabs",
            vec![Heading::text("tab"), Heading::number("size", "MiB")],
            vec![Row::new(html! { "one" }, vec![html! { "3" }])],
        );
        let written = table.render().into_string().replace("><", ">\n<");
        insta::assert_snapshot!(written, @r#"
        <div class="scroll" role="region" aria-label="Tabs" tabindex="0">
        <table>
        <caption>Tabs</caption>
        <thead>
        <tr>
        <th scope="col">tab</th>
        <th scope="col" class="number">size <small>MiB</small>
        </th>
        </tr>
        </thead>
        <tbody>
        <tr>
        <th scope="row">one</th>
        <td class="number">3</td>
        </tr>
        </tbody>
        </table>
        </div>
        "#);
    }
}
