// Runs in a page: measures the contrast of each text against what is painted below it.
(() => {
  const luminance = (color) => {
    const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map((value) => {
      const part = Number(value) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isShape = (element) => element instanceof SVGElement && element.tagName !== "svg";
  const paintOf = (element) => {
    const { fill, backgroundColor } = getComputedStyle(element);
    return isShape(element) ? fill : backgroundColor;
  };
  const inkOf = (element) => (isShape(element) ? paintOf(element) : getComputedStyle(element).color);
  const hasText = ({ childNodes }) =>
    [...childNodes].some(({ nodeType, textContent }) => nodeType === Node.TEXT_NODE && textContent.trim());
  const poor = [];
  let checked = 0;
  for (const element of [...document.body.querySelectorAll("*")].filter(hasText)) {
    const [box] = element.getClientRects();
    const stack = document.elementsFromPoint(box.left + Math.min(box.width / 2, 8), box.top + box.height / 2);
    const below = stack.find((one) => one.tagName !== "text" && paintOf(one).startsWith("rgb("));
    if (!stack.includes(element) || below === undefined) continue;
    const [light, dark] = [luminance(inkOf(element)), luminance(paintOf(below))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    checked += 1;
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.textContent.slice(0, 30)}`);
  }
  // A text that something covers, or that has no place, cannot be measured.
  return { checked: checked > 80, poor };
})();
