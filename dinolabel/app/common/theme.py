"""Theme of the app, in light and in dark: a theme and a little CSS. Nothing is fetched from elsewhere, fonts included."""

from __future__ import annotations

import gradio as gr

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
CSS = """
.gradio-container { --color-accent: var(--primary-700); } .dark .gradio-container { --color-accent: var(--primary-400); }
.gradio-container { width: 100% !important; max-width: 1500px !important; box-sizing: border-box;
  margin: 0 auto !important; padding: clamp(12px, 1.5vw, 20px) clamp(12px, 2vw, 28px) !important; }
.gradio-container .main.app { padding: 16px clamp(0px, 4vw - 24px, 32px) !important; }
footer { display: none !important; }
#header h1 { font-size: 22px; font-weight: 650; letter-spacing: -0.02em; margin: 0; display: inline-block; }
#header p { display: inline-block; margin: 0 0 0 14px; color: var(--body-text-color-subdued); }
#header nav { float: right; padding-top: 4px; }
#header span { font: 12px var(--font-mono); color: var(--body-text-color-subdued); border: 1px solid var(--border-color-primary);
  border-radius: 99px; padding: 3px 10px; margin-left: 8px; }
#problem { border: 1px solid var(--error-border-color, #b91c1c); border-radius: 8px; padding: 14px 16px; gap: 8px; }
#problem p { margin: 4px 0 0; color: var(--body-text-color-subdued); white-space: pre-line; }
#problem button { align-self: flex-start; }
.receipt { width: 100%; min-height: 320px; border: 1px solid var(--border-color-primary); border-radius: 8px; background: white; }
.curve { width: 100%; max-width: 760px; }
.curve text { font: 12px var(--font); fill: var(--body-text-color-subdued); }
.curve line { stroke: var(--border-color-primary); } .curve .interval { stroke: var(--color-accent); stroke-width: 2; }
.curve polyline { fill: none; stroke: var(--color-accent); stroke-width: 2; } .curve circle { fill: var(--color-accent); }
#status, #film-status, #heads-status { min-height: 28px; padding: 2px 4px; }
.strip { display: flex; gap: 4px; overflow: hidden; }
.strip img { flex: 1 1 0; min-width: 0; height: 56px; object-fit: cover; border-radius: 4px; }
.tracks { display: grid; gap: 4px; }
.tracks button { display: grid; grid-template-columns: 44px minmax(120px, 200px) 1fr; gap: 12px; align-items: center; width: 100%;
  text-align: left; padding: 4px 8px; border-radius: 8px; cursor: pointer; background: none; color: var(--body-text-color); }
.tracks button:hover { background: var(--background-fill-secondary); }
.tracks img, .tracks .noface { width: 44px; height: 44px; object-fit: contain; border-radius: 6px;
  background: var(--border-color-primary); }
.tracks small { color: var(--body-text-color-subdued); font-size: 12px; } .tracks b { font-weight: 600; overflow-wrap: anywhere; }
.tracks .lane { position: relative; height: 16px; border-radius: 4px; background: var(--border-color-primary); }
.tracks .lane i { position: absolute; top: 0; bottom: 0; border-radius: 4px; }
.bar { height: 6px; border-radius: 3px; background: var(--border-color-primary); overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--color-accent); transition: width .4s; }
.gradio-container .table-wrap, .gradio-container .table-wrap * { font-family: var(--font) !important; font-size: 14px; }
#film-files [aria-label="Remove this file"] { display: none; } /* what was made is there to be kept */
.gradio-container input[role="combobox"] { margin-right: 18px !important; text-overflow: ellipsis; } /* or long words run under the arrow */
input[type="range"]::-webkit-slider-thumb {
  background: var(--slider-color); box-shadow: 0 0 0 2px var(--block-background-fill); }
input[type="range"]::-moz-range-thumb {
  background: var(--slider-color); box-shadow: 0 0 0 2px var(--block-background-fill); }
/* Where the keyboard is: one ring for all, because the widgets draw none or each its own. Inside, where a frame would cut it off. */
.gradio-container :focus-visible, .gradio-container .wrap:has(> .wrap-inner input:focus-visible) {
  outline: 2px solid var(--color-accent) !important; outline-offset: 2px !important; }
.gradio-container input[role="combobox"]:focus-visible { outline-color: transparent !important; } /* its whole field has the ring */
.gradio-container .image-container :focus-visible,
.gradio-container .table-wrap:focus-visible, .gradio-container .table-wrap :focus-visible,
.gradio-container .block > button:focus-visible, .gradio-container textarea:focus-visible { outline-offset: -2px !important; }
/* Players show them to a mouse only. */
#film-found .wrap:has(:focus-visible) .controls, #film-own .wrap:has(:focus-visible) .controls { opacity: 1 !important; transition: none; }
.gradio-container .wrap > .error { display: none; } /* the message says it; a red pill on every output says nothing */
.dark input[type="range"] { --neutral-200: var(--neutral-700); }
@media (max-width: 800px) {
  #header p { display: block; margin: 2px 0 0; }
  #header nav { float: none; }
  #header span:first-child { margin-left: 0; }
  #found { height: 320px !important; }
  #film-preview, #film-found, #film-own { height: auto !important; min-height: 200px; }
  .tracks button { grid-template-columns: 44px 1fr; } .tracks .lane { grid-column: 1 / -1; }
  .curve { overflow: visible; }
  .curve text { font-size: 18px; }
}
"""


def theme() -> gr.themes.Base:
    """Quiet neutrals, one accent, real focus rings; dark follows the system."""
    return gr.themes.Base(primary_hue="teal", neutral_hue="slate", radius_size="md", font=FONT, font_mono=MONO).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="0 1px 2px rgb(15 23 42 / 5%)",
        block_label_text_weight="500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_500",  # 4.5 to 1 on the ground, as all text should have; the base theme's has 2.5
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
    )
