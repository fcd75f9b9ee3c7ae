"""The page in a real Chromium, against a real service."""

import json
import os
import re
import shutil
import subprocess
from importlib.resources import files

import av
import pytest
from painting import paint
from PIL import Image, ImageOps
from program import SEESAY

playwright = pytest.importorskip("playwright.sync_api", reason="`make test` installs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="`make test` installs axe")

CHROMIUM = ("chromium", "google-chrome", "chromium-browser")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
MORE_QUIET = ("--disable-sync", "--no-first-run", "--autoplay-policy=no-user-gesture-required")
PHOTOS = files("sklearn.datasets.images")  # a pagoda and a flower, which scikit-learn ships
NOTHING = "a spreadsheet of taxes"


# Not for the session: while it runs, no other test of this process could start an event loop.
@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        program = next(filter(None, map(shutil.which, CHROMIUM)), None)
        try:
            browser = running.chromium.launch(executable_path=program, args=[*QUIET, *MORE_QUIET])
        except playwright.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    for name in ("china.jpg", "flower.jpg"):
        (folder / name).write_bytes((PHOTOS / name).read_bytes())
    for name, colour in {"red": (220, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 220)}.items():
        paint(folder / f"{name}.png", colour)
    with av.open(str(folder / "film.webm"), "w") as film:  # 3 s of the pagoda, 3 s of the flower
        stream = film.add_stream("libvpx", rate=4)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        for name in ("china.jpg", "flower.jpg"):
            picture = ImageOps.fit(Image.open(folder / name).convert("RGB"), (320, 240))
            for _ in range(12):
                film.mux(stream.encode(av.VideoFrame.from_image(picture)))
        film.mux(stream.encode(None))
    (folder / "broken.jpg").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a service over folders; gives its address."""
    running = []

    def start(*folders):
        library = tmp_path_factory.mktemp("served")
        environment = {**os.environ, "SEESAY_LIBRARY": str(library), "NO_COLOR": "1", "COLUMNS": "200"}
        if folders:
            subprocess.run([SEESAY, "index", *map(str, folders)], env=environment, check=False, capture_output=True)
        program = subprocess.Popen([SEESAY, "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True)
        running.append(program)
        for line in program.stderr:
            if found := re.search(r"http://[\d.]+:\d+", line):
                return found[0]
        raise AssertionError("the service ended before it said where it is")

    yield start
    for program in running:
        program.terminate()
        program.wait(20)
        program.stderr.close()


@pytest.fixture(scope="module")
def address(start, media):
    return start(media)


@pytest.fixture
def visit(browser):
    """Open the page in a window; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def visit(address, *, width=1280, height=800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def tile(page, name):
    return page.locator(f".tile[aria-label^='{name}']").first


def search(page, words):
    with page.expect_response("**/api/search"):
        page.locator("#query").fill(words)


def test_results_come_while_typing_the_best_first_and_are_counted_aloud(visit, address):
    page = visit(address)
    page.locator("#query").press_sequentially("a flower", delay=20)
    playwright.expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("flower|film"))
    playwright.expect(page.get_by_role("status").filter(has_text="result")).to_be_visible()
    scores = [float(label.rpartition("score ")[2]) for label in labels(page)]
    assert len(scores) > 2
    assert scores == sorted(scores, reverse=True)


def labels(page):
    return [own.get_attribute("aria-label") for own in page.locator(".tile").all()]


def test_a_sum_becomes_chips_whose_signs_flip_and_which_go(visit, address):
    page = visit(address)
    search(page, "a garden + a flower − a building")
    assert page.locator(".chip .words").all_inner_texts() == ["a garden", "a flower"]
    page.keyboard.press("Enter")
    assert page.locator(".chip .words").all_inner_texts() == ["a garden", "a flower", "a building"]

    def asks_for_the_sum(request):  # the one before, of the difference, may still be on its way
        is_search = "/api/search" in request.url
        return is_search and [term["weight"] for term in request.post_data_json["terms"]] == [1, 1, 1]

    with page.expect_request(asks_for_the_sum):
        page.get_by_role("button", name="a building: subtracted; flip").click()
    page.get_by_role("button", name="Remove a garden").click()
    assert page.locator(".chip .words").all_inner_texts() == ["a flower", "a building"]


def test_then_finds_one_thing_after_another_in_a_video(visit, address):
    page = visit(address)
    sequence = '"a pagoda" then "a flower + a leaf"'

    def asks_for_the_sequence(request):
        asked = request.post_data_json if "/api/search" in request.url else None
        return bool(asked) and (asked["terms"], asked["then"]) == (
            [{"text": "a pagoda", "weight": 1}],
            [[{"text": "a flower + a leaf", "weight": 1}]],
        )

    with page.expect_request(asks_for_the_sequence):
        page.locator("#query").press_sequentially(sequence, delay=5)
    # 3 s of the one and 3 s of the other: the best sequence goes over the cut
    first = page.locator(".tile").first
    playwright.expect(first).to_have_attribute("aria-label", re.compile("^film.*moment 0:0[0-2]–0:0[4-6]"))
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Steps within").fill("0.5")
    page.get_by_label("Steps within").press("Enter")
    playwright.expect(page.locator(".tile")).to_have_count(0)
    page.reload()
    playwright.expect(page.locator("#query")).to_have_value(sequence)
    playwright.expect(page.get_by_label("Steps within")).to_have_value("0.5")
    # the other way round nothing follows
    page.get_by_role("button", name="Clear filters").click()
    search(page, "a flower then a pagoda then a flower then a pagoda then a flower then a pagoda then a flower")
    playwright.expect(page.locator(".tile")).to_have_count(0)


def test_a_result_whose_drive_is_away_says_so(visit, address):
    page = visit(address)

    def pull_out(route):
        answer = route.fetch()
        found = answer.json()
        nothing = {"size_bytes": None, "modified_at": None, "width_px": None, "height_px": None}
        found["hits"] = [{**hit, **nothing, "out_of_reach": True} for hit in found["hits"]]
        route.fulfill(response=answer, json=found)

    page.route("**/api/search", pull_out)
    search(page, "a flower")
    playwright.expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("out of reach"))
    playwright.expect(page.locator(".tile .away").first).to_be_visible()
    page.locator(".tile").first.click()
    playwright.expect(page.get_by_text("its drive or share is not there now")).to_be_visible()
    playwright.expect(page.get_by_text("0 bytes")).to_have_count(0)


def test_reload_and_back_bring_the_query_again(visit, address):
    page = visit(address)
    search(page, "a flower")
    page.get_by_label("Pictures", exact=True).check()
    playwright.expect(tile(page, "film")).to_have_count(0)
    page.reload()
    playwright.expect(page.locator("#query")).to_have_value("a flower")
    playwright.expect(page.get_by_label("Pictures", exact=True)).to_be_checked()
    playwright.expect(tile(page, "flower")).to_be_visible()
    page.go_back()
    playwright.expect(page.get_by_label("All", exact=True)).to_be_checked()
    playwright.expect(page.locator("#query")).to_have_value("a flower")


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_a_picture_finds_itself(visit, address, media, way):
    page = visit(address)
    page.locator("#blank h2").wait_for()
    if way == "choose":
        page.locator("#file").set_input_files(media / "flower.jpg")
    else:
        hand_over(page, media / "flower.jpg", way)
    playwright.expect(page.locator(".chip img")).to_be_visible()
    playwright.expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^flower.jpg"))


def hand_over(page, path, way):
    """Drop or paste a file, as the browser tells the page of it."""
    page.evaluate(
        """async ([bytes, way]) => {
          const held = new DataTransfer();
          held.items.add(new File([new Uint8Array(bytes)], "picture.jpg", { type: "image/jpeg" }));
          const event = way === "drop"
            ? new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: held, bubbles: true, cancelable: true });
          document.body.dispatchEvent(event);
        }""",
        [list(path.read_bytes()), way],
    )


def test_a_moment_plays_from_its_time_and_marks_the_others(visit, address):
    page = visit(address)
    search(page, "a flower")
    page.get_by_label("Videos", exact=True).check()
    page.locator(".tile:has(.when)").first.click()
    began_s = page.evaluate(
        """() => new Promise((done) => {
          const look = () => {
            const time_s = document.querySelector("video")?.currentTime ?? 0;
            if (time_s > 0) done(time_s); else setTimeout(look, 10);
          };
          look();
        })"""
    )
    assert 3 <= began_s < 5
    marks = page.get_by_role("list", name="Moments of this video").get_by_role("button")
    playwright.expect(marks.first).to_be_visible()
    playwright.expect(page.locator(".mark[aria-current]")).to_have_attribute("aria-label", re.compile("0:03"))
    with page.expect_download() as clip:
        page.get_by_role("link", name="Download clip").click()
    assert clip.value.suggested_filename.endswith((".mp4", ".webm", ".mkv"))


def test_why_paints_over_the_picture_and_more_like_this_asks_with_it(visit, address):
    page = visit(address)
    search(page, "a flower")
    tile(page, "flower").click()
    page.get_by_role("button", name="Why?").click()
    playwright.expect(page.get_by_role("img", name="Heat map")).to_be_visible()
    painted = page.evaluate(
        """() => {
          const canvas = document.querySelector(".heat canvas");
          return [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 60, 60).data];
        }"""
    )
    assert len(set(painted)) > 4
    page.get_by_role("button", name="More like this").click()
    playwright.expect(page.locator(".chip img")).to_be_visible()
    playwright.expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^flower.jpg"))


def test_labels_move_their_bars_while_typing(visit, address, media):
    page = visit(address)
    page.get_by_role("tab", name="Classify").click()
    page.get_by_label("A picture to name", exact=True).set_input_files(media / "flower.jpg")
    page.locator("#labels").fill("a pagoda, a car")
    playwright.expect(page.locator(".bars .label")).to_have_count(2)
    page.locator("#labels").press_sequentially("\na flower")
    playwright.expect(page.locator(".bars .label").first).to_have_text("a flower")
    playwright.expect(page.locator(".bars .percent").first).to_have_text(re.compile(r"^[5-9]\d"))


def test_nothing_matches_until_the_nearest_are_asked_for(visit, address):
    page = visit(address)
    search(page, NOTHING)
    playwright.expect(page.get_by_role("heading", name="Nothing here matches")).to_be_visible()
    assert page.locator(".tile").count() == 0
    page.get_by_role("button", name="Show what comes nearest").click()
    playwright.expect(page.locator(".tile").first).to_be_visible()


def test_an_empty_library_says_how_to_fill_it(visit, start):
    page = visit(start())
    playwright.expect(page.locator("code", has_text="seesay index ~/Pictures")).to_be_visible()


def test_the_status_line_counts_and_says_why_files_failed(visit, address):
    page = visit(address)
    playwright.expect(page.locator("#status")).to_contain_text("starter@")
    page.get_by_role("button", name="1 file could not be read").click()
    playwright.expect(page.locator("#errors")).to_contain_text("broken.jpg")
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#errors")).to_be_hidden()


def test_indexing_is_shown_while_it_runs(visit, address):
    page = visit("about:blank")
    page.route("**/api/library", with_indexing)
    page.goto(address)
    playwright.expect(page.locator("#status")).to_contain_text("indexing 1,200 of 9,000")
    assert page.get_by_role("progressbar", name="Indexing").evaluate("bar => bar.position") == pytest.approx(
        1200 / 9000
    )


def with_indexing(route):
    indexing = {"done": 1200, "total": 9000, "started_at": "2026-01-01T00:00:00+00:00"}
    route.fulfill(json={**route.fetch().json(), "indexing": indexing})


def test_dates_and_folders_narrow_what_is_found(visit, address, media):
    page = visit(f"{address}#q=a+flower&after=2000-01-01")
    playwright.expect(tile(page, "flower")).to_be_visible()
    page.locator("#under").select_option(str(media))
    playwright.expect(tile(page, "flower")).to_be_visible()
    page.locator("#before").fill("2000-01-02")
    playwright.expect(page.get_by_role("heading", name="Nothing here matches")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    playwright.expect(tile(page, "flower")).to_be_visible()


def test_a_date_that_leaves_nothing_says_so_and_the_newest_may_come_first(visit, address):
    page = visit(f"{address}#q=a+flower&after=2090-01-01")
    said = "Look at the filters: nothing in the library was taken or changed since 2090-01-01."
    playwright.expect(page.locator("#blank")).to_contain_text(said)
    page.get_by_role("button", name="Clear filters").click()
    playwright.expect(tile(page, "flower")).to_be_visible()
    with page.expect_request("**/api/search") as asked:
        page.locator("#sort").select_option("date")
    assert asked.value.post_data_json["sort"] == "date"
    playwright.expect(page.locator("#more-filters")).to_contain_text("Filters · 1")
    page.reload()
    playwright.expect(page.locator("#sort")).to_have_value("date")


def test_words_that_are_not_known_are_named_and_copies_are_counted(visit, address):
    page = visit("about:blank")
    page.route("**/api/search", with_copies)
    page.goto(address)
    search(page, "a flower kissa")
    playwright.expect(page.locator("#count")).to_contain_text("the model does not know “kissa”; ")
    playwright.expect(page.locator(".tile .also").first).to_have_text("+2")
    assert ", and 2 other files" in page.locator(".tile").first.get_attribute("aria-label")
    search(page, "a flower")
    playwright.expect(page.locator("#count")).not_to_contain_text("does not know")


def with_copies(route):
    answer = route.fetch().json()
    for hit in answer["hits"][:1]:
        hit["also"] = ["/a/copy.jpg", "/another/copy.jpg"]
    route.fulfill(json=answer)


def test_the_keyboard_alone_is_enough(visit, address):
    page = visit(address)
    page.locator("#tab-search").focus()
    page.keyboard.press("/")
    page.keyboard.type("a flower")
    page.locator(".tile").nth(2).wait_for()
    found = labels(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert focused(page) == found[1]
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("ArrowRight")
    playwright.expect(page.locator("#viewer-name")).to_have_text(found[2].split(",")[0])
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#viewer")).to_be_hidden()
    playwright.expect(page.get_by_role("button", name=found[2], exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#query")).to_be_focused()


def focused(page):
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(visit, address, media, scheme, width):
    page = visit(address, width=width, height=844, color_scheme=scheme, reduced_motion="reduce", has_touch=width < 500)
    check(page)
    search(page, "a garden + a flower")
    page.locator(".tile").first.wait_for()
    page.locator("#more-filters").click()
    check(page)
    tile(page, "film").click()
    playwright.expect(page.locator(".mark").first).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    search(page, NOTHING)
    page.get_by_role("tab", name="Classify").click()
    page.get_by_label("A picture to name", exact=True).set_input_files(media / "flower.jpg")
    page.locator(".bars .label").first.wait_for()
    check(page)


def check(page):
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (own["id"], [node["html"] for node in own["nodes"]])
        for own in found
        if own["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_ten_thousand_results_keep_the_page_small(visit, address):
    page = visit(address)
    search(page, "a flower")
    page.locator(".tile").first.wait_for()
    one = page.evaluate("document.querySelector('.tile img').src.match(/items.(\\d+)/)[1]")
    page.route("**/api/search", lambda route: answer_with_many(route, int(one)))
    page.locator("#query").fill("anything")
    most = page.evaluate(
        """async () => {
          let most = 0;
          const until = performance.now() + 60_000;
          while (!document.querySelector("[aria-posinset='10000']")) {
            if (performance.now() > until) throw new Error("the last result never came");
            scrollTo(0, document.body.scrollHeight);
            await new Promise((done) => setTimeout(done, 20));
            most = Math.max(most, document.querySelectorAll(".tile").length);
          }
          return most;
        }"""
    )
    assert most < 150
    playwright.expect(page.locator("[aria-posinset='10000'] img")).to_have_class("there")
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    playwright.expect(page.locator("[aria-posinset='5000'] img")).to_have_class("there")
    assert page.locator(".tile").count() < 150


def answer_with_many(route, one):
    asked = json.loads(route.request.post_data)
    first = int(asked["cursor"] or 0)
    end = min(10_000, first + asked["limit"])
    hits = [
        {
            "id": one, "path": f"/p/{place}.jpg", "name": f"{place}.jpg", "folder": "/p", "kind": "image", "score": 0.4,
            "size_bytes": 9, "modified_at": "2026-01-01T00:00:00+00:00", "width_px": 300 + place % 7 * 90,
            "height_px": 400,
        }
        for place in range(first, end)
    ]  # fmt: skip
    route.fulfill(json={"hits": hits, "cursor": str(end) if end < 10_000 else None, "is_match": True, "took_ms": 1})
