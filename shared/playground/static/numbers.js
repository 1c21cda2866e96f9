// Numbers as the page shows them; both languages write them alike.

const format = new Intl.NumberFormat("en", { maximumFractionDigits: 3, useGrouping: true });
const large = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 3, useGrouping: true });

/**
 * At most three digits behind the point.
 * @param {number} value
 * @returns {string}
 */
export function shown(value) {
  return format.format(value).replace("-", "−");
}

/**
 * A reward, to be read from afar: two or three digits behind the point.
 * @param {number} value
 * @returns {string}
 */
export function shownReward(value) {
  return large.format(value).replace("-", "−");
}

/**
 * A duration, to be read at a glance.
 * @param {number} seconds
 * @returns {string}
 */
export function shownSeconds(seconds) {
  return seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(0);
}
