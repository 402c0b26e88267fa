"use strict";
// Moves the threshold over counts that came with the page. Nothing is fetched, nothing is kept.
(() => {
  const box = document.getElementById("explore");
  const counts = JSON.parse(document.getElementById("explore-counts").textContent);
  const slider = document.getElementById("explore-threshold");
  const share = document.getElementById("explore-prevalence");
  const dot = document.getElementById("explore-dot");

  function measure(i, prevalence) {
    const tp = counts.tp[i], fp = counts.fp[i];
    const fn = counts.positives - tp, tn = counts.negatives - fp;
    const sensitivity = tp / counts.positives, specificity = tn / counts.negatives;
    const found = sensitivity * prevalence, alarms = (1 - specificity) * (1 - prevalence);
    const missed = (1 - sensitivity) * prevalence, cleared = specificity * (1 - prevalence);
    const ppv = found / (found + alarms), npv = cleared / (cleared + missed);
    return { tp, fp, fn, tn, sensitivity, specificity, ppv, npv };
  }

  function show() {
    const i = Number(slider.value);
    const percent = Number(share.value);
    const valid = share.value !== "" && percent > 0 && percent < 100;
    share.setAttribute("aria-invalid", String(!valid));
    const found = measure(i, valid ? percent / 100 : NaN);
    for (const cell of box.querySelectorAll("[data-count]"))
      cell.textContent = found[cell.dataset.count].toLocaleString("en-US");
    for (const cell of box.querySelectorAll("[data-share]")) {
      const value = found[cell.dataset.share];
      cell.textContent = Number.isNaN(value) ? "–" : (100 * value).toFixed(1) + "%";
    }
    const threshold = String(Number(counts.thresholds[i].toPrecision(4)));
    document.getElementById("explore-value").textContent = threshold;
    slider.setAttribute("aria-valuetext", "threshold " + threshold);
    dot.setAttribute("cx", 200 * (1 - found.specificity));
    dot.setAttribute("cy", 200 * (1 - found.sensitivity));
    box.classList.toggle("moved", i !== counts.start);
  }

  slider.addEventListener("input", show);
  share.addEventListener("input", show);
  document.getElementById("explore-back").addEventListener("click", () => {
    slider.value = counts.start;
    show();
  });
  box.hidden = false;
  show();
})();
