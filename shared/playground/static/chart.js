// A histogram of rewards, drawn from buckets.

import { draw } from "./elements.js";
import { shown } from "./numbers.js";

/**
 * @typedef {object} Bucket
 * @property {number | null} above
 * @property {number | null} up_to
 * @property {number} count
 */

/**
 * @typedef {object} Mark A score that was just given.
 * @property {string} letter
 * @property {number} reward
 */

const [WIDTH, HEIGHT, TOP, BOTTOM, GAP] = [360, 132, 24, 20, 2];
const LEAST_BUCKETS = 8;

/**
 * The buckets that have something in them or lie between such, and a few more.
 * @param {Bucket[]} buckets
 * @param {{minimum: number | null, maximum: number | null} | null} range Of the reward.
 * @param {Mark[]} marks
 * @returns {Bucket[]}
 */
export function worthShowing(buckets, range, marks) {
  const used = buckets.map((bucket) => bucket.count > 0 || marks.some((mark) => within(bucket, mark.reward)) || inRange(bucket, range));
  let first = used.indexOf(true);
  let last = used.lastIndexOf(true);
  if (first < 0) return [];
  while (last - first + 1 < LEAST_BUCKETS && (first > 0 || last < buckets.length - 1)) {
    first = Math.max(0, first - 1);
    last = Math.min(buckets.length - 1, last + 1);
  }
  return buckets.slice(first, last + 1);
}

/**
 * @param {Bucket[]} buckets
 * @param {Mark[]} marks
 * @param {string} label
 * @returns {SVGElement}
 */
export function histogram(buckets, marks, label) {
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  const step = WIDTH / buckets.length;
  const floor = HEIGHT - BOTTOM;
  const parts = [draw("line", { class: "floor", x1: 0, x2: WIDTH, y1: floor + 0.5, y2: floor + 0.5 })];
  buckets.forEach((bucket, index) => {
    const height = bucket.count ? Math.max(2, (bucket.count / most) * (floor - TOP)) : 0;
    const x = index * step + GAP / 2;
    const title = draw("title", {}, `${bounds(bucket)}: ${bucket.count}`);
    parts.push(draw("rect", { class: "bar", x, y: floor - height, width: step - GAP, height }, title));
    if (bucket.count === most && !marks.some((mark) => within(bucket, mark.reward))) parts.push(draw("text", { class: "count", x: x + step / 2, y: floor - height - 4 }, String(bucket.count)));
  });
  parts.push(...edges(buckets, step, floor), ...marksOf(buckets, marks, step, floor));
  return draw("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...parts);
}

/** @param {Bucket} bucket @returns {string} */
export function bounds(bucket) {
  if (bucket.above === null) return `≤ ${shown(bucket.up_to ?? 0)}`;
  return bucket.up_to === null ? `> ${shown(bucket.above)}` : `${shown(bucket.above)} … ${shown(bucket.up_to)}`;
}

/** Bounds between buckets, as many as there is room for. @param {Bucket[]} buckets @param {number} step @param {number} floor */
function edges(buckets, step, floor) {
  const every = Math.ceil(buckets.length / 11);
  const last = buckets.length - 1;
  return buckets.flatMap(({ up_to: bound }, index) => {
    if (bound === null || (last - index) % every !== 0) return [];
    return [draw("text", { class: index === last ? "edge last" : "edge", x: (index + 1) * step, y: floor + 14 }, shown(bound))];
  });
}

/** @param {Bucket[]} buckets @param {Mark[]} marks @param {number} step @param {number} floor */
function marksOf(buckets, marks, step, floor) {
  return marks.flatMap(({ letter, reward }, order) => {
    const index = buckets.findIndex((bucket) => within(bucket, reward));
    if (index < 0) return [];
    const x = (index + (marks.length < 2 ? 0.5 : order ? 0.75 : 0.25)) * step;
    return [
      draw("path", { class: "mark", d: `M${x} ${floor} V12` }),
      draw("text", { class: "mark-letter", x, y: 9 }, letter),
    ];
  });
}

/** @param {Bucket} bucket @param {number} value */
function within(bucket, value) {
  return (bucket.above === null || value > bucket.above) && (bucket.up_to === null || value <= bucket.up_to);
}

/** @param {Bucket} bucket @param {{minimum: number | null, maximum: number | null} | null} range */
function inRange(bucket, range) {
  if (!range || range.minimum === null || range.maximum === null) return false;
  return bucket.up_to !== null && bucket.up_to >= range.minimum && (bucket.above === null ? false : bucket.above < range.maximum);
}
