"""The report's page in a browser: no errors, all figures; tables sort and filter, marks tell their values."""

import os
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from record_files import HOSTILE, everything, hostile
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.show import page as report

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
FIGURES = 14


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    reason = f"{names[0]} is not installed: apt-get install chromium chromium-driver"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for argument in (*_QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(_program("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = everything(tmp_path_factory.mktemp("results"))
    return report.build(folder, folder / "report").as_uri()


@pytest.fixture
def page(browser: Chrome, address: str) -> Iterator[Chrome]:
    """The page from disk, ready, on a desktop; nothing was logged before."""
    look(browser, address, width=1200)
    yield browser
    for command in ("clearDeviceMetricsOverride", "setEmulatedMedia"):
        browser.execute_cdp_cmd(f"Emulation.{command}", {})


def look(browser: Chrome, address: str, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(address)
    WebDriverWait(browser, 20).until(
        lambda _: browser.execute_script("return document.documentElement.dataset.ready") == "yes",
        str(browser.get_log("browser")),
    )


def media(browser: Chrome, **features: str) -> None:
    kind = features.pop("media", "")
    named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": named})


def table(page: Chrome, section: str, number: int = 0) -> WebElement:
    return page.find_elements(By.CSS_SELECTOR, f"section[aria-labelledby={section}] table")[number]


def heading(found: WebElement, text: str) -> WebElement:
    return next(th for th in found.find_elements(By.CSS_SELECTOR, "thead th") if th.text == text)


def column(found: WebElement, text: str) -> list[str]:
    """The texts of a column, as they stand."""
    names = [th.text for th in found.find_elements(By.CSS_SELECTOR, "thead th")]
    cells = f"tbody td:nth-child({names.index(text) + 1})"
    return [cell.text for cell in found.find_elements(By.CSS_SELECTOR, cells)]


def numbers(found: WebElement, text: str) -> list[float]:
    return [float(cell.replace("\u202f", "")) for cell in column(found, text)]


def test_no_errors_and_nothing_from_elsewhere(page: Chrome):
    assert page.get_log("browser") == []
    loaded: list[Any] = page.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert all(name.startswith(("blob:", "data:")) for name in loaded)


def test_figures_are_there(page: Chrome):
    figures = page.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(figures) == FIGURES
    for figure in figures:
        assert figure.size["width"] > 300
        assert figure.size["height"] > 60
        assert figure.get_attribute("aria-label")
        assert figure.find_elements(By.CSS_SELECTOR, "text")


def test_a_table_sorts_by_a_click_on_a_heading(page: Chrome):
    times = table(page, "speed")
    before = numbers(times, "median (ms)")
    assert before != sorted(before)
    heading(times, "median (ms)").click()
    assert numbers(times, "median (ms)") == sorted(before)
    assert heading(times, "median (ms)").get_attribute("aria-sort") == "ascending"
    heading(times, "median (ms)").click()
    assert numbers(times, "median (ms)") == sorted(before, reverse=True)


def test_numbers_sort_as_numbers_whatever_their_text(page: Chrome):
    deviations = table(page, "parity")
    heading(deviations, "differing spikes").click()
    heading(deviations, "backend").click()
    assert column(deviations, "backend") == sorted(column(deviations, "backend"))
    sizes = page.find_element(By.CSS_SELECTOR, "section[aria-labelledby=scaling] details")
    sizes.find_element(By.CSS_SELECTOR, "summary").click()
    found = sizes.find_element(By.CSS_SELECTOR, "table")
    heading(found, "recurrent neurons").click()
    assert numbers(found, "recurrent neurons") == [50.0] * 6 + [100.0] * 6 + [200.0] * 6


def test_a_table_filters_by_words(page: Chrome):
    times = table(page, "speed")
    assert set(column(times, "backend")) == {"numpy", "numba", "BrainPy notebook"}
    page.find_element(By.CSS_SELECTOR, "section[aria-labelledby=speed] .dt-search input").send_keys("numba")
    assert set(column(times, "backend")) == {"numba"}
    assert len(column(times, "backend")) == 3


def test_a_table_filters_by_the_values_of_a_column(page: Chrome):
    times = table(page, "speed")
    heading(times, "mode").find_element(By.CSS_SELECTOR, "button").click()
    choice = next(
        button
        for button in page.find_elements(By.CSS_SELECTOR, ".dtcc-dropdown .dtcc-list button")
        if button.text == "online"
    )
    choice.click()
    assert set(column(times, "mode")) == {"online"}


def test_a_mark_tells_its_value(page: Chrome):
    box = page.find_element(By.CSS_SELECTOR, "section[aria-labelledby=speed] figure > div")
    page.execute_script("arguments[0].scrollIntoView()", box)
    tips = page.execute_script(
        "return JSON.parse(arguments[0].parentElement.querySelector('script.tips').textContent)", box
    )
    assert len(tips) == 7
    for x, y, text in tips:
        at = page.execute_script(
            "const svg = arguments[0].querySelector('svg'), frame = svg.getBoundingClientRect();"
            "const at = new DOMPoint(arguments[1], arguments[2]).matrixTransform(svg.getScreenCTM());"
            "return [at.x - frame.x - frame.width / 2, at.y - frame.y - frame.height / 2]",
            *(box, x, y),
        )
        svg = box.find_element(By.CSS_SELECTOR, "svg")
        ActionChains(page, duration=0).move_to_element_with_offset(svg, *map(round, at)).perform()
        shown = box.find_element(By.CSS_SELECTOR, ".tip")
        assert shown.is_displayed()
        assert shown.get_attribute("textContent") == text
        # The tip lies where the mark is: what is drawn there has the colour of a rule.
        drawn = page.execute_script(
            "const svg = arguments[0].querySelector('svg'), m = svg.getScreenCTM();"
            "const at = new DOMPoint(arguments[1], arguments[2]).matrixTransform(m);"
            "return [...svg.querySelectorAll('use')].some(u => { const r = u.getBoundingClientRect();"
            "return Math.hypot(r.x + r.width / 2 - at.x, r.y + r.height / 2 - at.y) < 1.5 })",
            *(box, x, y),
        )
        assert drawn, text
    ActionChains(page, duration=0).move_to_element(page.find_element(By.CSS_SELECTOR, "h1")).perform()
    assert not shown.is_displayed()


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_no_width_makes_the_page_scroll_sideways(page: Chrome, address: str, width: int):
    look(page, address, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_legible(page: Chrome):
    def luminances() -> tuple[float, float, float]:
        colours = page.execute_script(
            "const of = (s, name) => getComputedStyle(document.querySelector(s))[name];"
            "return [of('body', 'backgroundColor'), of('td', 'color'), of('figure svg text', 'fill')]"
        )
        paper, *texts = (
            sum(map(int, colour[colour.index("(") + 1 : -1].split(",")[:3])) for colour in colours
        )
        return paper / 765, texts[0] / 765, texts[1] / 765

    paper, cell, label = luminances()
    assert paper > 0.95
    assert max(cell, label) < 0.25
    media(page, prefers_color_scheme="dark")
    paper, cell, label = luminances()
    assert paper < 0.15
    assert min(cell, label) > 0.75


def test_paper_has_no_controls(page: Chrome):
    controls = page.find_elements(By.CSS_SELECTOR, ".dt-search, .dtcc")
    assert any(control.is_displayed() for control in controls)
    media(page, media="print")
    assert not any(control.is_displayed() for control in controls)
    printed = page.execute_cdp_cmd("Page.printToPDF", {})
    assert printed["data"].startswith("JVBERi")  # %PDF in base64


def test_paper_has_all_that_the_page_has(page: Chrome, address: str):
    look(page, address, width=718)  # A4 at 96 pixels an inch, less a browser's margins
    media(page, media="print")
    cut, folded = page.execute_script(
        """
        const tables = [...document.querySelectorAll("table")];
        const names = (found) => found.map((table) => table.getAttribute("aria-label"));
        const edge = document.documentElement.clientWidth;
        return [
          names(tables.filter((table) => table.getBoundingClientRect().right > edge)),
          names(tables.filter((table) => !table.checkVisibility())),
        ];
        """
    )
    assert cut == []
    assert folded == []


@pytest.mark.parametrize("inside", ["figure", ".wide"])
def test_an_edge_is_shaded_where_there_is_more_behind_it(page: Chrome, address: str, inside: str):
    look(page, address, width=360)
    box = page.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' div')].find("
        "(box) => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX === 'auto')",
        inside,
    )

    def edges() -> tuple[float, float]:
        """How bright the left and right edges are, at the foot, where no text is."""
        page.execute_script("arguments[0].style.paddingBottom = '8px'", box)
        pixels = plt.imread(BytesIO(box.screenshot_as_png))[-6:-2, :, :3]
        return float(pixels[:, :2].mean()), float(pixels[:, -2:].mean())

    left, right = edges()
    assert left > 0.98
    assert right < 0.9
    page.execute_script("arguments[0].scrollLeft = 1e6", box)
    left, right = edges()
    assert left < 0.9
    assert right > 0.98


def test_the_page_is_complete_without_scripts(browser: Chrome, address: str):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert len(browser.find_elements(By.CSS_SELECTOR, "figure svg")) == FIGURES
        assert "numba" in table(browser, "speed").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.slow
def test_five_backends_look_as_two_do(browser: Chrome, tmp_path: Path):
    folder = everything(tmp_path, ("numpy", "numba", "torch", "jax", "newcomer"))
    look(browser, report.build(folder, tmp_path / "report").as_uri(), width=1200)
    assert browser.get_log("browser") == []
    assert len(browser.find_elements(By.CSS_SELECTOR, "figure svg")) == FIGURES
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1200
    labels = browser.find_element(By.CSS_SELECTOR, "section[aria-labelledby=speed] figure svg").text
    for name in ("numpy", "numba", "torch", "jax", "newcomer", "BrainPy notebook"):
        assert name in labels


@pytest.mark.slow
def test_texts_of_records_are_shown_and_never_run(browser: Chrome, tmp_path: Path):
    folder = hostile(tmp_path)
    look(browser, report.build(folder, tmp_path / "report").as_uri(), width=1200)
    foreign = "return document.querySelectorAll('img, [onerror], script:not([type])').length"
    opened = browser.execute_script(
        "document.querySelectorAll('details').forEach((found) => { found.open = true });"
        "return document.querySelectorAll('thead th button').length"
    )
    assert opened > 10
    for number in range(opened):  # each lists the values of its column; an alert would end this
        listed = browser.execute_script(
            "document.querySelectorAll('thead th button')[arguments[0]].click();"
            "return document.querySelectorAll('.dtcc-dropdown .dtcc-list button').length",
            number,
        )
        assert listed > 0
        assert browser.execute_script(foreign) == 0
        browser.execute_script("document.body.click()")
    assert HOSTILE[0] in table(browser, "speed").text
    assert browser.get_log("browser") == []


def test_a_missing_browser_fails_in_ci_and_is_reported_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="chromium is not installed"):
        _program("chromium")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium chromium-driver"):
        _program("chromium")
