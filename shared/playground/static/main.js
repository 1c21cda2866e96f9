// The page: what is typed goes to the rewards that are chosen, and what comes back is shown.

import { Refused, ask, json, wantKey } from "./api.js";
import { Card } from "./card.js";
import { found, input, make } from "./elements.js";
import { EXAMPLES } from "./examples.js";
import { Live } from "./live.js";
import { shownReward } from "./numbers.js";
import { sentence } from "./refusal.js";
import { Choice } from "./rewards.js";
import { hiddenIn, lengthOf, revealed } from "./text.js";
import { choose, currentLanguage, say, show, translate } from "./words.js";

/** @typedef {import("./api.js").Reward} Reward */
/** @typedef {import("./words.js").Language} Language */

const CONFIG_SECONDS = 10;
const READY_EVERY_MS = 3000;
const MOST_READY_CHECKS = 100;

const prompt = input("prompt");
const completions = [input("completion-a"), input("completion-b")];
const counts = [found("count-a"), found("count-b")];
const compare = input("compare");
const key = input("key");
const go = found("go");

const keyNow = () => key.value.trim();
const live = new Live(keyNow);
/** @type {Choice[]} */
let choices = [];
let seconds = 300;
/** What is under way, to be stopped. @type {AbortController | null} */
let running = null;
let example = 0;

// What is typed

function fill() {
  const { prompt: asked, completions: texts } = EXAMPLES[example % EXAMPLES.length];
  example += 1;
  prompt.value = asked;
  completions.forEach((area, index) => (area.value = texts[index]));
  typed();
}

function typed() {
  completions.forEach((area, index) => {
    const hidden = hiddenIn(area.value);
    const count = counts[index];
    count.dataset.words = hidden ? "count.hidden" : "count";
    count.dataset.values = JSON.stringify({ n: lengthOf(area.value), hidden });
    count.classList.toggle("warn", hidden > 0);
    translate(count);
  });
  if (prompt.value.trim()) complain(false);
}

function compared() {
  found("field-b").hidden = !compare.checked;
  found("letter-a").hidden = !compare.checked;
  found("write-title").parentElement?.classList.toggle("two", compare.checked);
  goShows();
}

/** @param {boolean} missing */
function complain(missing) {
  found("prompt-trouble").hidden = !missing;
  prompt.toggleAttribute("aria-invalid", missing);
}

// Scoring

function goShows() {
  go.dataset.words = running ? "stop" : compare.checked ? "go.compare" : "go";
  go.classList.toggle("stops", running !== null);
  translate(go);
}

async function run() {
  const chosen = choices.filter((choice) => choice.chosen);
  found("rewards-trouble").hidden = chosen.length > 0;
  complain(!prompt.value.trim());
  if (!prompt.value.trim()) {
    prompt.focus();
    announce(say("prompt.missing"));
    return;
  }
  if (!chosen.length) {
    announce(say("rewards.missing"));
    return;
  }
  const stop = new AbortController();
  running = stop;
  goShows();
  announce(say("said.started"));
  const texts = (compare.checked ? completions : completions.slice(0, 1)).map((area) => area.value);
  const job = { prompt: prompt.value, completions: texts, key: keyNow, seconds, signal: stop.signal, told };
  const cards = chosen.map((choice) => new Card(choice, job));
  found("results").replaceChildren(textsView(job.prompt, texts), ...cards.map((card) => card.element));
  if (matchMedia("(max-width: 60rem)").matches) found("results-title").scrollIntoView({ block: "start" });
  await Promise.all(cards.map((card) => card.start()));
  if (running === stop) {
    running = null;
    goShows();
  }
}

/** A card shows another outcome. @param {Card} card */
function told(card) {
  const { choice, outcomes } = card;
  const marks = outcomes.flatMap((outcome, index) =>
    outcome !== null && !(outcome instanceof Refused) && outcome.reward !== null ? [{ letter: outcomes.length > 1 ? "AB"[index] : "•", reward: outcome.reward }] : []);
  live.mark(choice, marks);
  if (outcomes.some((outcome) => outcome === null)) return;
  const parts = outcomes.map((outcome, index) => {
    const { name: reward } = choice.reward;
    const name = outcomes.length > 1 ? say("said.side", { name: reward, side: "AB"[index] }) : reward;
    if (outcome === null) return "";
    if (outcome instanceof Refused) return say("said.none", { name, why: sentence(outcome) });
    if (outcome.reward === null) return say("said.none", { name, why: outcome.error?.code ?? "" });
    if (outcome.verdict === null || outcome.verdict === undefined) return say("said.done", { name, reward: shownReward(outcome.reward) });
    return say("said.done.verdict", { name, reward: shownReward(outcome.reward), verdict: say(`verdict.${outcome.verdict}`) });
  });
  announce(parts.join(" "));
  if (outcomes.some((outcome) => outcome instanceof Refused && (outcome.status === 401 || outcome.kind === "key"))) askForKey();
}

/** What was scored, as it was when it was scored. @param {string} asked @param {string[]} texts */
function textsView(asked, texts) {
  const rows = texts.map((text, index) => make("div", { class: "text" }, texts.length > 1 ? make("h4", { words: index ? "side.b" : "side.a" }) : null, revealed("p", text)));
  return make("details", { class: "texts", open: true }, make("summary", { words: "results.texts" }), revealed("p", asked, "asked-for"), make("div", { class: "sides", "data-count": texts.length }, ...rows));
}

function askForKey() {
  /** @type {HTMLDetailsElement} */ (found("key-box")).open = true;
  key.focus();
}

/** @param {string} text */
function announce(text) {
  found("status").textContent = text;
}

// The services

async function begin() {
  try {
    const config = await ask("playground/config", { key: "", seconds: CONFIG_SECONDS }, json);
    seconds = config.timeout_seconds;
    if (config.needs_key) wantKey();
    choices = config.rewards.map((/** @type {Reward} */ reward, /** @type {number} */ index) => new Choice(reward, index === 0));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    found("rewards").replaceChildren(make("p", { class: "trouble", text: sentence(error) }));
    return;
  }
  found("rewards").replaceChildren(...choices.map((choice) => choice.element));
  found("service-name").textContent = choices[0].reward.name;
  for (const choice of choices) choice.onChange(() => live.follow(choices.filter((each) => each.chosen)));
  await introduce();
  live.follow(choices.filter((each) => each.chosen));
}

async function introduce() {
  await Promise.all(choices.map((choice) => choice.introduce(keyNow())));
}

/** Show whether the service can score, and look again while it cannot. @param {number} looks */
async function look(looks) {
  let state = "ready";
  try {
    await ask("readyz", { key: "", seconds: CONFIG_SECONDS }, json);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state = error.status === 503 ? "loading" : "away";
  }
  found("light").dataset.state = state;
  const words = found("service-state");
  words.dataset.words = `service.${state}`;
  translate(words);
  if (state !== "ready" && looks < MOST_READY_CHECKS) setTimeout(() => void look(looks + 1), READY_EVERY_MS);
}

// Wiring

for (const area of [prompt, ...completions]) area.addEventListener("input", typed);
compare.addEventListener("change", compared);
found("example").addEventListener("click", fill);
go.addEventListener("click", () => (running ? running.abort() : void run()));
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !running) {
    event.preventDefault();
    void run();
  }
});
key.addEventListener("change", () => {
  void introduce();
  live.touch();
});
found("key-form").addEventListener("submit", (event) => event.preventDefault());
for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-language]"))) {
  button.addEventListener("click", () => {
    choose(/** @type {Language} */ (button.dataset.language));
    live.redraw();
    languageShows();
  });
}

function languageShows() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-language]"))) {
    button.setAttribute("aria-pressed", String(button.dataset.language === currentLanguage()));
  }
}

show();
languageShows();
fill();
compared();
void look(0);
void begin();
