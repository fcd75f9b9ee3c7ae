"""What the page says where something is wrong, in a real Chromium; answers are changed on their way."""

import io
import json
import os
import re
import shutil
import subprocess
from importlib.resources import files

import pytest
from PIL import Image, ImageDraw
from program import SEESAY

playwright = pytest.importorskip("playwright.sync_api", reason="`make test` installs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="`make test` installs axe")

CHROMIUM = ("chromium", "google-chrome", "chromium-browser")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
MORE_QUIET = ("--disable-sync", "--no-first-run", "--autoplay-policy=no-user-gesture-required")
TOKEN = "a token & a half"
LONG = "a very long name of a flower " * 7
ARABIC = "زهرة"


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A flower many times, with names; gone.png and later.png go wrong after they were indexed."""
    folder = tmp_path_factory.mktemp("media")
    flower = Image.open(files("sklearn.datasets.images") / "flower.jpg").convert("RGB").resize((320, 214))
    for place, name in enumerate(("flower.png", "gone.png", "later.png", f"{LONG}.png", f"{ARABIC}.png")):
        flower.crop((0, 0, 320 - 30 * place, 214 - 5 * place)).save(folder / name)
    clear = Image.new("RGBA", (120, 80))
    ImageDraw.Draw(clear).ellipse((20, 10, 100, 70), fill=(0, 0, 0, 255))
    clear.save(folder / "clear.png")
    moving = [flower.rotate(angle) for angle in range(0, 80, 10)]
    moving[0].save(folder / "moving.gif", save_all=True, append_images=moving[1:], duration=250, loop=0)
    return folder


@pytest.fixture(scope="module")
def start(media, tmp_path_factory):
    """Start a service; gives its address and how to stop it."""
    library = tmp_path_factory.mktemp("served") / "library"
    environment = {**os.environ, "SEESAY_LIBRARY": str(library), "NO_COLOR": "1", "COLUMNS": "200"}
    subprocess.run([SEESAY, "index", str(media)], env=environment, check=True, capture_output=True)
    (media / "gone.png").rename(media.parent / "gone.png")
    before = (media / "later.png").stat()
    (media / "later.png").write_bytes(b"no picture".ljust(before.st_size))
    os.utime(media / "later.png", ns=(before.st_atime_ns, before.st_mtime_ns))  # as when a disk goes bad
    running = []

    def start(*options):
        arguments = [SEESAY, "serve", "--port", "0", *options]
        program = subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True)
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
def address(start):
    return start()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        program = next(filter(None, map(shutil.which, CHROMIUM)), None)
        try:
            browser = running.chromium.launch(executable_path=program, args=[*QUIET, *MORE_QUIET])
        except playwright.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        playwright.expect.set_options(timeout=10_000)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open the page; what the browser complains of fails the test, but for answers that are errors on purpose."""
    contexts, complaints = [], []

    def note(said):
        if said.type in ("error", "warning") and not said.text.startswith("Failed to load resource"):
            complaints.append(said.text)

    def visit(address, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def search(page, words="a flower"):
    with page.expect_response("**/api/search"):
        page.locator("#query").fill(words)
    page.locator(".tile").first.wait_for()


def stop_clock(page):
    """From now on time passes only where the test says so, however slow the machine is."""
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)


def tile(page, name):
    return page.locator(f".tile[aria-label^='{name}']").first


def refuse(page, route, status, sentence):
    page.route(route, lambda own: own.fulfill(status=status, json={"error": sentence}))


def expect(locator):
    return playwright.expect(locator)


def check(page):
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (own["id"], [node["html"] for node in own["nodes"]])
        for own in found
        if own["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_that_was_pasted_is_gone_after_a_reload_and_back_shows_no_other(visit, address, media):
    page = visit(address)
    page.locator("#file").set_input_files(media / "flower.png")
    expect(page.locator(".chip img")).to_be_visible()
    first = re.search(r"picture=([\w-]+)", page.url)[1]
    page.locator("#query").fill("a flower")
    page.wait_for_url("**q=a+flower**")
    page.reload()
    expect(page.get_by_role("heading", name="The picture that was searched is gone")).to_be_visible()
    expect(page.locator(".chip")).to_contain_text("picture is gone")
    expect(page.locator(".tile")).to_have_count(0)
    check(page)
    page.locator("#file").set_input_files(media / "clear.png")
    expect(page.locator(".chip img")).to_have_count(1)
    expect(page.locator(".chip.gone")).to_have_count(0)
    page.locator(".tile").first.wait_for()
    assert re.search(r"picture=([\w-]+)", page.url)[1] != first
    page.go_back()
    expect(page.locator(".chip")).to_contain_text("picture is gone")
    expect(page.locator(".tile")).to_have_count(0)
    page.get_by_role("button", name="Search without it").click()
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator(".chip")).to_have_count(0)


def test_tiles_and_the_viewer_say_what_happened_to_a_file_and_try_again(visit, address, media):
    page = visit(address)
    search(page)
    expect(tile(page, "gone").locator(".broken")).to_contain_text("file is gone")
    expect(tile(page, "later").locator(".broken")).to_contain_text("cannot be read")
    expect(tile(page, "gone")).to_have_attribute("aria-label", re.compile("not shown: file is gone$"))
    check(page)
    tile(page, "later").click()
    expect(page.locator(".failed .what")).to_have_text("The file cannot be read")
    expect(page.locator(".failed p").nth(1)).to_have_text(re.compile(r"^[A-Z].+\.$"))
    check(page)
    page.keyboard.press("Escape")
    tile(page, "gone").click()
    expect(page.locator(".failed .what")).to_have_text("The file is gone")
    expect(page.locator("#viewer")).not_to_contain_text(re.compile(r"\b0 bytes|1970|null|NaN|Invalid"))
    expect(page.get_by_role("link", name="Download")).to_have_count(0)
    (media.parent / "gone.png").rename(media / "gone.png")
    try:
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#viewer img.whole.there")).to_be_visible()
        expect(page.get_by_role("link", name="Download")).to_be_visible()
    finally:
        (media / "gone.png").rename(media.parent / "gone.png")


def test_a_file_that_has_changed_or_is_busy_is_not_called_gone(visit, address):
    page = visit("about:blank")
    refuse(page, "**/thumbnail?*", 404, "the file has changed since it was indexed")
    refuse(page, "**/file", 503, "too much at once")
    page.goto(address)
    search(page)
    expect(tile(page, "flower").locator(".broken")).to_contain_text("file has changed")
    tile(page, "flower").click()
    expect(page.locator(".failed")).to_contain_text("The service is busy")
    expect(page.locator(".failed")).to_contain_text("Too much at once.")


def test_thumbnails_of_a_service_that_was_away_come_when_it_is_back(visit, address):
    page = visit("about:blank")
    page.clock.install()
    page.route("**/thumbnail?*", lambda route: route.abort())
    page.goto(address)
    search(page)
    expect(tile(page, "flower").locator(".broken")).to_contain_text("service does not answer")
    page.route("**/api/library", lambda route: route.abort())
    page.clock.run_for(11_000)
    expect(page.locator("#status")).to_have_text("The service does not answer")
    expect(page.locator(".tile").first).to_be_visible()  # they still answer what is asked
    page.unroute("**/thumbnail?*")
    page.unroute("**/api/library")
    page.clock.run_for(4000)
    expect(tile(page, "flower").locator("img.there")).to_be_visible()
    expect(tile(page, "flower").locator(".broken")).to_have_count(0)
    expect(tile(page, "flower")).not_to_have_attribute("aria-label", re.compile("not shown"))
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_is_not_known_of_a_file_is_not_said(visit, address):
    page = visit("about:blank")

    def without_facts(route):
        found = route.fetch().json()
        nothing = {"size_bytes": None, "modified_at": None, "width_px": None, "height_px": None}
        route.fulfill(json={**found, "hits": [{**hit, **nothing} for hit in found["hits"]]})

    page.route("**/api/search", without_facts)
    page.goto(address)
    search(page)
    tile(page, "flower").click()
    expect(page.locator("#viewer img.whole.there")).to_be_visible()
    expect(page.locator("#viewer dt")).to_have_text(["Folder", "Score"])
    shape = page.locator("img.whole").evaluate("own => own.clientWidth / own.clientHeight")
    assert shape == pytest.approx(320 / 214, abs=0.02)


def test_an_animation_plays_as_a_picture_and_can_be_stopped(visit, address):
    page = visit(address)
    search(page)
    tile(page, "moving").click()
    whole = page.locator("#viewer img.whole")
    expect(whole).to_have_attribute("src", re.compile(r"/file$"))
    expect(page.locator("#viewer video")).to_have_count(0)
    page.get_by_role("button", name="Show the moment at").click()
    expect(whole).to_have_attribute("src", re.compile("/thumbnail"))
    page.get_by_role("button", name="Play the animation").click()
    expect(whole).to_have_attribute("src", re.compile(r"/file$"))
    page.keyboard.press("Escape")
    calm = visit(address, reduced_motion="reduce")
    search(calm)
    tile(calm, "moving").click()
    expect(calm.get_by_role("button", name="Play the animation")).to_be_visible()
    expect(calm.locator("#viewer img.whole")).to_have_attribute("src", re.compile("/thumbnail"))


def test_a_transparent_picture_stands_on_light_squares(visit, address):
    page = visit(address, color_scheme="dark")
    search(page, "a black circle")
    tile(page, "clear").click()
    expect(page.locator("img.whole.there")).to_have_css("background-image", re.compile("repeating-conic-gradient"))
    shown = Image.open(io.BytesIO(page.locator("img.whole").screenshot())).convert("L")
    assert shown.getpixel((24, 24)) > 200  # the black circle is not there, and the stage is black too


def test_long_names_leave_the_buttons_their_size_and_names_keep_their_direction(visit, address):
    page = visit(address, width=390)
    search(page)
    tile(page, LONG).click()
    close = page.get_by_role("button", name="Close").bounding_box()
    assert close["width"] == close["height"] > 40
    title = page.locator("#viewer-name")
    assert len(title.inner_text()) < 100
    expect(title).to_have_attribute("title", f"{LONG}.png")
    assert page.locator("#viewer").evaluate("own => own.scrollWidth <= innerWidth")
    check(page)
    page.keyboard.press("Escape")
    tile(page, ARABIC).click()
    assert title.evaluate("own => getComputedStyle(own).direction") == "rtl"
    page.keyboard.press("Escape")
    page.locator("#query").fill(ARABIC)
    assert page.locator("#query").evaluate("own => getComputedStyle(own).direction") == "rtl"


STATES = {
    403: ("The service refused", "its address in a tab of its own"),
    404: ("Not there any more", "the library has no item 9"),
    409: ("The model does not fit the library", "without --model"),
    413: ("Too large", "smaller picture"),
    421: ("The service does not know this address", "--allow-host 127.0.0.1"),
    422: ("The service did not take this query", "The library has no item 9."),
    500: ("Something went wrong in the service", "Its log says what."),
    503: ("The service cannot answer now", "tried again every few seconds"),
}


@pytest.mark.parametrize("status", STATES)
def test_an_answer_that_is_an_error_takes_the_results_away_and_says_the_cure(visit, address, status):
    page = visit(address, width=390 if status % 2 else 1280, color_scheme="dark" if status == 409 else "light")
    search(page)
    refuse(page, "**/api/search", status, "the library has no item 9")
    page.locator("#query").fill("a flower in a vase")
    title, cure = STATES[status]
    trouble = page.get_by_role("alert")
    expect(trouble.get_by_role("heading")).to_have_text(title)
    expect(trouble).to_contain_text(re.compile(re.escape(cure), re.IGNORECASE))
    expect(page.locator(".tile")).to_have_count(0)
    expect(page.locator("#count")).to_have_text("")
    if status in (409, 503):  # the others are of the same make
        check(page)
    page.unroute("**/api/search")
    trouble.get_by_role("button", name="Try again").click()
    expect(page.locator(".tile").first).to_be_visible()
    expect(trouble).to_have_count(0)


def test_the_page_goes_on_by_itself_when_the_service_is_back(visit, address):
    page = visit("about:blank")
    page.clock.install()
    page.goto(address)
    search(page)
    page.route("**/api/**", lambda route: route.abort())
    page.locator("#query").fill("a flower in a vase")
    page.clock.run_for(500)
    expect(page.get_by_role("heading", name="The service does not answer")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(0)
    page.unroute("**/api/**")
    page.clock.run_for(11_000)
    page.clock.run_for(500)
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_another_library_or_model_after_a_restart_is_noticed_and_asked(visit, address):
    page = visit("about:blank")
    page.clock.install()
    page.goto(address)
    search(page)
    tile(page, "flower").click()
    page.get_by_role("button", name="More like this").click()
    page.clock.run_for(500)
    expect(page.locator(".chip img")).to_be_visible()
    found = {**page.request.get(f"{address}/api/library").json(), "folder": "/another/library"}
    page.route("**/api/library", lambda own: own.fulfill(json=found))
    page.clock.run_for(11_000)
    expect(page.locator("#toast")).to_contain_text("another library")
    # an item's number is another picture there
    expect(page.locator(".chip")).to_contain_text("picture is gone")
    page.get_by_role("button", name="Clear the query").click()
    page.locator("#query").fill("a flower")
    page.clock.run_for(500)
    page.locator(".tile").first.wait_for()
    found["model"] = "another@0000"
    with page.expect_response("**/api/search"):
        page.clock.run_for(11_000)
    expect(page.locator(".tile").first).to_be_visible()


def test_another_library_at_the_same_place_is_noticed_by_its_answers(visit, address):
    page = visit("about:blank")
    which = ["one"]
    page.route("**/thumbnail?*", lambda own: own.continue_(url=re.sub("&v=.*", "", own.request.url)))  # it has no "one"
    page.route("**/api/search", lambda own: own.fulfill(json={**own.fetch().json(), "library": which[0]}))
    page.goto(address)
    search(page)
    tile(page, "flower").click()
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".chip img")).to_be_visible()
    page.locator(".tile").first.wait_for()
    which[0] = "another"
    page.locator("#query").fill("a flower")
    expect(page.locator(".chip")).to_contain_text("picture is gone")
    expect(page.locator(".tile")).to_have_count(0)


def test_a_slow_answer_is_said_and_can_be_stopped(visit, address):
    page = visit("about:blank", width=390)
    page.clock.install()
    page.goto(address)
    search(page)
    stop_clock(page)
    held = []
    page.route("**/api/search", lambda route: held.append(route))
    page.locator("#query").fill("a flower in a vase")
    page.clock.run_for(200)
    expect(page.locator("#waiting")).to_be_hidden()
    page.clock.run_for(500)
    expect(page.locator("#waiting")).to_have_text("searching …")
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#count")).to_have_text("")
    page.clock.run_for(10_000)
    expect(page.locator("#waiting")).to_contain_text("still waiting")
    said = page.locator("#waiting").bounding_box()
    assert said["x"] >= 0
    assert said["x"] + said["width"] <= 390
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stopped")).to_be_visible()
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    page.unroute("**/api/search")
    page.get_by_role("button", name="Try again").click()
    page.clock.run_for(500)
    expect(page.locator(".tile").first).to_be_visible()
    assert len(held) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_while_the_page_waits(visit, address, scheme):
    page = visit(address, width=390, color_scheme=scheme)
    search(page)
    page.route("**/api/search", lambda _: None)
    page.locator("#query").fill("a flower in a vase")
    expect(page.locator("#waiting.shown")).to_be_visible()
    check(page)


def test_an_original_that_is_slow_is_said_and_its_thumbnail_can_be_had(visit, address):
    page = visit("about:blank")
    page.clock.install()
    held = []
    page.route("**/file", lambda route: held.append(route))
    page.goto(address)
    search(page)
    stop_clock(page)
    tile(page, "flower").click()
    page.clock.run_for(500)
    expect(page.locator(".frame")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".frame .waiting")).to_have_text("loading …")
    page.clock.run_for(10_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#viewer img.whole.there")).to_have_attribute("src", re.compile("/thumbnail"))
    expect(page.locator(".frame .waiting")).to_have_count(0)
    for route in held:
        route.abort()


def test_what_is_typed_before_the_program_is_there_is_searched(visit, address):
    page = visit("about:blank")
    held = []
    page.route("**/page/heat.js", lambda route: held.append(route))
    with page.expect_request("**/page/heat.js"):
        page.goto(address, wait_until="commit")
    page.locator("#query").fill("a flower")
    assert page.locator("#blank h2").count() == 0
    page.wait_for_function("true")  # lets the route be held
    (route,) = held
    route.continue_()
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator("#query")).to_have_value("a flower")


def test_a_lost_token_is_asked_for_and_the_query_goes_on(visit, start):
    page = visit(start("--token", TOKEN))
    check(page)
    for token, next_ in (("wrong", page.get_by_text("That is not the token.")), (TOKEN, page.locator("#blank h2"))):
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Go on").click()
        next_.wait_for()
    search(page)
    page.context.clear_cookies()
    page.locator("#query").fill("a flower in a vase")
    expect(page.get_by_role("heading", name="The service wants its token")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("/?token=TOKEN")
    expect(page.locator(".tile")).to_have_count(0)
    check(page)
    page.get_by_label("Token", exact=True).fill("wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("That is not the token.")).to_be_visible()
    page.get_by_label("Token", exact=True).fill(TOKEN)
    page.get_by_label("remember it here").check()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator("#query")).to_have_value("a flower in a vase")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["expires"] > 0
    assert TOKEN not in page.url


def test_a_date_typed_by_hand_that_is_none_says_so_and_what_filtered_goes_on(visit, address):
    page = visit(f"{address}#q=a+flower&after=2001-02-03")
    page.locator(".tile").first.wait_for()
    wrong = page.locator("#wrong")
    bodies = []
    page.on("request", lambda own: own.url.endswith("/api/search") and bodies.append(json.loads(own.post_data)))
    page.locator("#after").focus()
    page.keyboard.press("Backspace")  # its first part is empty now
    page.locator("#within").focus()
    expect(wrong).to_contain_text("“From” is not a whole date")
    expect(wrong).to_contain_text("It still is 2001-02-03.")
    expect(page.locator("#after")).to_have_attribute("aria-invalid", "true")
    assert "after=2001-02-03" in page.url
    assert bodies == []
    check(page)
    page.locator("#within").fill("-3")
    page.keyboard.press("Enter")
    expect(wrong).to_contain_text("“Steps within” is not a number of seconds")
    page.get_by_role("button", name="Clear filters").click()
    expect(wrong).to_have_text("")
    assert "after=" not in page.url
    page.locator("#after").fill("2020-02-02")
    page.locator("#before").fill("2019-01-01")
    expect(wrong).to_contain_text("“From” is later than “To”")


@pytest.mark.parametrize("wrong", ["before=2026-02-31", "after=2026-13-01", "after=12026-01-01", "within=-1"])
def test_a_date_or_number_in_the_address_that_is_none_is_named(visit, address, wrong):
    page = visit(f"{address}#q=a+flower&{wrong}")
    kind = "number of seconds" if "within" in wrong else "date"
    expect(page.locator("#wrong")).to_have_text(f"The address says {wrong}, which is not a {kind}: it does not filter.")
    expect(page.locator(".tile").first).to_be_visible()


def test_the_last_day_there_is_can_be_asked_for(visit, address):
    page = visit(f"{address}#q=a+flower&before=9999-12-31")
    expect(page.locator(".tile").first).to_be_visible()


def test_labels_of_another_picture_do_not_stay_under_an_error(visit, address, media):
    page = visit(f"{address}#tab=classify")
    page.get_by_label("A picture to name", exact=True).set_input_files(media / "flower.png")
    page.locator(".bars .label").first.wait_for()
    refuse(page, "**/api/classify", 422, "the picture cannot be read")
    page.get_by_label("A picture to name", exact=True).set_input_files(media / "clear.png")
    expect(page.get_by_role("alert")).to_contain_text("The picture cannot be read.")
    expect(page.locator(".bars .label")).to_have_count(0)
    check(page)
    page.unroute("**/api/classify")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".bars .label").first).to_be_visible()
