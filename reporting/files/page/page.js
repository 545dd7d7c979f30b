// SPDX-License-Identifier: Apache-2.0
// Draws the plots of a report, of a sweep or of one run, from the JSON that the page carries, and makes its tables
// sortable. Without it the page has every number as text.
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  // Colours are the style's, so that dark screens and print need no other drawing; each series has a shape besides.
  const colourAt = (i) => `var(--series-${i})`;
  const ink = "var(--ink)", soft = "var(--soft)", faint = "var(--faint)", line = "var(--line)", paper = "var(--paper)";
  const shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"];
  const dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [10, 4], [1, 3]];
  const none = "–";

  const unique = (values) => [...new Set(values)];
  const labelOf = (arm, axis) => arm.labels[axis] ?? none;

  // The axis whose values are told apart by colour and shape: the method, else the first with few values.
  const axes = report.axes ?? [];  // a run's report has none
  const seriesAxis = ["method", ...axes].find((axis) => {
    const count = unique((report.arms ?? []).map((arm) => labelOf(arm, axis))).length;
    return axes.includes(axis) && count > 1 && count <= shapes.length;
  });
  const seriesOf = (arm) => (seriesAxis === undefined ? "all arms" : labelOf(arm, seriesAxis));
  // What else names an arm.
  const restOf = (arm) => {
    const parts = axes.filter((axis) => axis !== seriesAxis && axis in arm.labels)
      .map((axis) => `${axis} ${arm.labels[axis]}`);
    return parts.join(", ") || arm.name;
  };
  const fullName = (arm) => (seriesAxis === undefined ? arm.name : `${seriesOf(arm)}, ${restOf(arm)}`);

  const digits = (value) => {
    const size = Math.abs(value);
    if (size >= 1e5) return value.toExponential(2);
    return value.toLocaleString("en-US", {
      minimumFractionDigits: size >= 1000 ? 0 : size >= 10 ? 2 : 4,
      maximumFractionDigits: size >= 1000 ? 0 : size >= 10 ? 2 : 4,
    }).replace("-", "−");
  };
  const withError = (value, error) => digits(value) + (error === null ? "" : ` ± ${digits(error)}`);

  const axisRoom = 64;  // for the labels and the title of an axis of numbers

  const config = (width) => {
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null, font, padding: 0,
      view: {stroke: null},
      axis: {
        labelColor: soft, titleColor: ink, labelFontSize: 12, titleFontSize: 12.5, titleFontWeight: 500, titlePadding: 12,
        gridColor: line, gridOpacity: 0.8, domainColor: line, tickColor: line, tickSize: 4, labelPadding: 6, labelLimit: labelLimit(width),
      },
      axisY: {domain: false, ticks: false},
      header: {labelColor: ink, titleColor: ink, labelFontSize: 12.5, labelFontWeight: 600, labelPadding: 8},
      rule: {color: soft}, text: {color: ink, fontSize: 12}, line: {strokeWidth: 2},
    };
  };

  const colours = (domain) => ({domain, range: domain.map((_, i) => colourAt(i))});
  const markShapes = (domain) => ({domain, range: domain.map((_, i) => shapes[i])});

  const legendOf = (entries) => {
    const list = document.createElement("ul");
    list.className = "legend";
    for (const entry of entries) {
      const item = document.createElement("li");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "-7 -7 14 14");
      svg.setAttribute("aria-hidden", "true");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", entry.path);
      path.setAttribute("fill", entry.fill ?? "none");
      path.setAttribute("stroke", entry.stroke ?? entry.fill);
      path.setAttribute("stroke-width", entry.width ?? 1.5);
      if (entry.dash) path.setAttribute("stroke-dasharray", entry.dash.join(" "));
      svg.append(path);
      item.append(svg, entry.text);
      list.append(item);
    }
    return list;
  };
  const outline = {
    circle: "M0,-5A5,5 0 1 1 0,5A5,5 0 1 1 0,-5Z", square: "M-4.5,-4.5H4.5V4.5H-4.5Z", "triangle-up": "M0,-5L5.5,4.5H-5.5Z",
    diamond: "M0,-6L5,0L0,6L-5,0Z", cross: "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z", "triangle-down": "M0,5L5.5,-4.5H-5.5Z",
    "triangle-right": "M5,0L-4.5,5.5V-5.5Z",
  };
  const seriesLegend = (domain) => domain.map((text, i) => ({text, path: outline[shapes[i]], fill: colourAt(i)}));

  // Perplexity, or another metric, against stored bits.
  const front = (index, width) => {
    const column = report.columns[index];
    const rows = report.arms.flatMap((arm) => {
      const value = arm.values[index];
      if (value === null || arm.stored_bits_per_weight === null) return [];
      const error = value.standard_error ?? 0;
      return [{
        bits: arm.stored_bits_per_weight, mean: value.mean, low: value.mean - error, high: value.mean + error,
        series: seriesOf(arm), measurement: value.measurement, front: value.on_front,
        tip: `${fullName(arm)}\n${column.title} ${withError(value.mean, value.standard_error)} (${value.n} ` +
          `${value.n === 1 ? "seed" : "seeds"})\n${arm.stored_bits_per_weight.toFixed(3)} stored bits` +
          (value.on_front ? "\non the Pareto front" : ""),
      }];
    });
    if (rows.length === 0) return null;
    const reference = report.full_precision.filter((model) => model.values[index] !== null)
      .map((model) => ({mean: model.values[index], text: `full precision ${digits(model.values[index])}`}));
    const all = rows.map((row) => row.mean).concat(reference.map((row) => row.mean));
    const logarithmic = Math.min(...all) > 0 && Math.max(...all) > 4 * Math.min(...all);
    const domain = unique(rows.map((row) => row.series));
    const y = {
      field: "mean", type: "quantitative", title: `${column.title}${column.lower_is_better ? ", lower is better" : ""}`,
      scale: {type: logarithmic ? "log" : "linear", zero: false, nice: true, padding: 16},
      axis: logarithmic ? {tickCount: 6, format: "~g"} : {tickCount: 6},
    };
    const x = {
      field: "bits", type: "quantitative", title: "stored bits per quantized weight",
      scale: {zero: false, nice: true, padding: 20}, axis: {tickCount: 8},
    };
    const colour = {field: "series", type: "nominal", scale: colours(domain), legend: null};
    return {
      legend: seriesLegend(domain),
      spec: {
        width, height: Math.max(260, Math.min(400, width * 0.5)), data: {values: rows},
        layer: [
          {data: {values: reference}, mark: {type: "rule", strokeDash: [2, 4], strokeWidth: 1.25, aria: false},
           encoding: {y: {field: "mean", type: "quantitative"}}},
          {data: {values: reference}, mark: {type: "text", align: "left", baseline: "bottom", dx: 4, dy: -4, color: soft, aria: false},
           encoding: {y: {field: "mean", type: "quantitative"}, x: {value: 0}, text: {field: "text"}}},
          {transform: [{filter: "datum.front"}],
           mark: {type: "line", color: faint, strokeWidth: 1.5, interpolate: "step-after", aria: false},
           encoding: {x, y, order: {field: "bits"}, detail: {field: "measurement"}}},
          {mark: {type: "rule", strokeWidth: 1.5, aria: false},
           encoding: {x, y: {...y, field: "low"}, y2: {field: "high"}, color: colour}},
          {mark: {type: "point", size: 90, strokeWidth: 1.75, opacity: 1},
           encoding: {
             x, y, color: colour, tooltip: {field: "tip"}, description: {field: "tip"},
             shape: {field: "series", type: "nominal", scale: markShapes(domain), legend: null},
             fill: {condition: {test: "datum.front", field: "series", type: "nominal", scale: colours(domain), legend: null},
                    value: paper},
           }},
        ],
      },
    };
  };

  // A value with its error on a line for each name: differences and effects.
  const intervals = (rows, width, title, domain, facet) => {
    const y = {field: "name", type: "nominal", sort: null, title: null, axis: {grid: true}};
    const x = {field: "mean", type: "quantitative", title, scale: {nice: true, padding: 12}, axis: {tickCount: 7}};
    const colour = domain === null ? {value: colourAt(0)}
      : {field: "series", type: "nominal", scale: colours(domain), legend: null};
    const shape = domain === null ? {value: "circle"}
      : {field: "series", type: "nominal", scale: markShapes(domain), legend: null};
    return {
      width, height: {step: 26}, data: {values: rows},
      layer: [
        {data: {values: [{zero: 0}]}, mark: {type: "rule", strokeWidth: 1.25, aria: false},
         encoding: {x: {field: "zero", type: "quantitative"}}},
        {mark: {type: "rule", strokeWidth: 1.75, aria: false}, encoding: {x: {...x, field: "low"}, x2: {field: "high"}, y, color: colour}},
        {mark: {type: "point", size: 80, strokeWidth: 1.75, opacity: 1},
         encoding: {
           x, y, color: colour, shape, tooltip: {field: "tip"}, description: {field: "tip"},
           fill: {condition: domain === null ? {test: "datum.filled", value: colour.value}
             : {test: "datum.filled", field: "series", type: "nominal", scale: colours(domain), legend: null},
                  value: paper},
         }},
      ],
    };
  };
  // What names of arms and levels, as labels of an axis, leave of the width; at most half of it is theirs.
  const ruler = document.createElement("canvas").getContext("2d");
  const labelLimit = (width) => Math.floor(width / 2);
  const besideNames = (names, width) => {
    ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const longest = Math.max(...names.map((name) => ruler.measureText(name).width));
    return Math.floor(width + axisRoom - 24 - Math.min(labelLimit(width), longest));
  };

  const differences = (index, width) => {
    const column = report.columns[index];
    const rows = report.arms.flatMap((arm) => {
      const difference = arm.values[index]?.difference ?? null;
      if (difference === null) return [];
      const error = difference.standard_error ?? 0;
      const tested = difference.p_value === null ? "not tested"
        : `p ${difference.p_value.toPrecision(2)}, Holm ${difference.holm.toPrecision(2)}`;
      return [{
        name: fullName(arm), series: seriesOf(arm), mean: difference.mean,
        low: difference.mean - error, high: difference.mean + error,
        filled: difference.holm !== null && difference.holm < 0.05,
        tip: `${fullName(arm)}\nΔ ${withError(difference.mean, difference.standard_error)}, ${difference.pairs} ` +
          `${difference.pairs === 1 ? "pair" : "pairs"}\n${tested}`,
      }];
    });
    if (rows.length === 0) return null;
    const domain = unique(report.arms.filter((arm) => arm.values[index] !== null && arm.stored_bits_per_weight !== null).map(seriesOf));
    const title = `Δ ${column.title} to the baseline${column.lower_is_better ? ", negative is better" : ""}`;
    return {legend: seriesLegend(domain), spec: intervals(rows, besideNames(rows.map((row) => row.name), width), title, domain)};
  };

  const effects = (index, width) => {
    let in_logs = false;
    const rows = report.effects[index].flatMap((effect) => effect.levels.filter((level) => level.matched > 0).map((level) => {
      in_logs = effect.in_logs;
      const error = level.standard_error ?? 0;
      const name = `${effect.axis}: ${level.value || none} against ${effect.reference || none}`;
      return {
        name, mean: level.effect, low: level.effect - error, high: level.effect + error, filled: true,
        tip: `${name}\n${withError(level.effect, level.standard_error)}${in_logs ? " nats" : ""}, ${level.matched} matched ` +
          `${level.matched === 1 ? "pair" : "pairs"} of arms`,
      };
    }));
    if (rows.length === 0) return null;
    const column = report.columns[index];
    const title = in_logs ? `Δ ln ${column.title}, nats a token` : `Δ ${column.title}`;
    return {spec: intervals(rows, besideNames(rows.map((row) => row.name), width), title, null)};
  };

  const depth = (index, width) => {
    const model = report.sensitivity[index];
    const rows = model.metrics.flatMap((one) => {
      const most = Math.max(...one.scores.map(Math.abs)) || 1;
      return one.scores.map((score, block) => ({
        block, share: score / most, metric: one.metric,
        tip: `${one.metric}, block ${block}\n${score.toPrecision(4)}, ${(100 * score / most).toFixed(0)} % of the largest`,
      }));
    });
    const domain = model.metrics.map((one) => one.metric);
    const blocks = Math.max(...rows.map((row) => row.block)) + 1;
    const x = {
      field: "block", type: "quantitative", title: "block, by depth", scale: {nice: false, padding: 12},
      axis: {grid: false, tickMinStep: 1, tickCount: Math.min(blocks, 16), format: "d"},
    };
    const y = {field: "share", type: "quantitative", title: "score over the metric's largest", axis: {format: "~%", tickCount: 5}};
    const colour = {field: "metric", type: "nominal", scale: colours(domain), legend: null};
    return {
      legend: seriesLegend(domain),
      spec: {
        width, height: 280, data: {values: rows},
        layer: [
          {mark: {type: "line", strokeWidth: 1.75, aria: false},
           encoding: {x, y, color: colour, strokeDash: {field: "metric", type: "nominal", scale: {domain, range: domain.map((_, i) => dashes[i % dashes.length])}, legend: null}}},
          {mark: {type: "point", filled: true, size: 65, opacity: 1},
           encoding: {x, y, color: colour, tooltip: {field: "tip"}, description: {field: "tip"},
                      shape: {field: "metric", type: "nominal", scale: markShapes(domain), legend: null}}},
        ],
      },
    };
  };

  const correlation = (index, width) => {
    const model = report.sensitivity[index];
    const names = model.metrics.map((one) => one.metric);
    const rows = names.flatMap((a, i) => names.map((b, j) => {
      const rho = model.correlations[i][j];
      return {a, b, rho, strength: Math.abs(rho ?? 0), text: rho === null ? none : rho.toFixed(2).replace("-", "−"), tip: `${a}, ${b}\nρ ${rho === null ? "unknown" : rho.toFixed(3)}`};
    }));
    const step = Math.max(44, Math.min(84, (width - 140) / names.length));
    const position = (field, orient) => ({field, type: "nominal", sort: null, title: null, axis: {orient, domain: false, ticks: false, labelAngle: 0, grid: false}});
    return {
      spec: {
        width: {step}, height: {step: 38}, data: {values: rows},
        encoding: {x: position("a", "top"), y: position("b", "left")},
        layer: [
          {mark: {type: "rect", stroke: paper, strokeWidth: 2, cornerRadius: 3},
           encoding: {tooltip: {field: "tip"}, description: {field: "tip"},
                      color: {condition: {test: "datum.rho < 0", value: colourAt(1)}, value: colourAt(0)},
                      fillOpacity: {field: "strength", type: "quantitative", legend: null, scale: {domain: [0, 1], range: [0.04, 0.5]}}}},
          {mark: {type: "text", fontSize: 12.5, aria: false}, encoding: {text: {field: "text"}}},
        ],
      },
    };
  };

  const cost = (_, width) => {
    const parts = ["own", "fair part of shared tasks"];
    const rows = report.arms.flatMap((arm) => [
      [parts[0], arm.cost.own_seconds], [parts[1], arm.cost.fair_seconds - arm.cost.own_seconds],
    ].map(([part, seconds], order) => ({name: fullName(arm), part, seconds, order, tip: `${fullName(arm)}\n${part}: ${seconds.toFixed(1)} device-seconds`})));
    if (rows.every((row) => row.seconds === 0)) return null;
    const range = [colourAt(0), faint];
    return {
      legend: parts.map((text, i) => ({text, path: outline.square, fill: range[i]})),
      spec: {
        width: besideNames(rows.map((row) => row.name), width), height: {step: 24}, data: {values: rows},
        mark: {type: "bar", height: 14},
        encoding: {
          y: {field: "name", type: "nominal", sort: null, title: null, axis: {grid: false}},
          x: {field: "seconds", type: "quantitative", stack: "zero", title: "device-seconds", axis: {tickCount: 7}},
          color: {field: "part", type: "nominal", scale: {domain: parts, range}, legend: null},
          order: {field: "order"}, tooltip: {field: "tip"}, description: {field: "tip"},
        },
      },
    };
  };

  // Which worker had which task when. Purposes are told apart by their row within the worker's lane, besides colour.
  const timeline = (_, width) => {
    const {workers, tasks} = report.timeline;
    const groups = ["handoff", "training", "sensitivity", "evaluation", "other"]
      .filter((group) => tasks.some((task) => task.group === group));
    const rows = tasks.map((task) => ({
      worker: workers[task.worker].worker, group: task.group, start: task.start, end: task.end,
      tip: `${task.title}\n${task.run}\n${workers[task.worker].worker}, ${digits(task.start)} s to ${digits(task.end)} s`,
    }));
    const names = workers.map((worker) => worker.worker);
    const lane = Math.max(8 * groups.length, 18);
    return {
      legend: groups.map((text, i) => ({text, path: outline.square, fill: colourAt(i)})),
      spec: {
        width: besideNames(names, width), height: {step: lane + 8, for: "position"}, data: {values: rows},
        mark: {type: "bar", height: Math.floor(lane / groups.length) - 1, aria: false},
        encoding: {
          y: {field: "worker", type: "nominal", sort: null, scale: {domain: names}, title: null, axis: {grid: true}},
          yOffset: {field: "group", type: "nominal", scale: {domain: groups}},
          x: {field: "start", type: "quantitative", title: "seconds since the first task began", axis: {tickCount: 7}},
          x2: {field: "end"},
          color: {field: "group", type: "nominal", scale: colours(groups), legend: null},
          tooltip: {field: "tip"},
        },
      },
    };
  };

  // Of a run: what each block has and what its training did.
  const byDepth = (count) => ({
    field: "block", type: "quantitative", title: "block, by depth", scale: {nice: false, padding: 12},
    axis: {grid: false, tickMinStep: 1, tickCount: Math.min(count, 16), format: "d"},
  });

  const bits = (_, width) => {
    const rows = report.layers.map((layer) => ({
      block: layer.layer_idx, bits: layer.bit_width,
      tip: `block ${layer.layer_idx}\n${layer.bit_width} bits, ${layer.stored_bits_per_weight.toFixed(3)} stored`,
    }));
    if (rows.length === 0) return null;
    const mark = Math.max(2, Math.min(18, Math.floor(0.7 * width / rows.length)));
    return {
      spec: {
        width, height: 160, data: {values: rows}, mark: {type: "bar", width: mark},
        encoding: {
          x: byDepth(rows.length), color: {value: colourAt(0)}, tooltip: {field: "tip"}, description: {field: "tip"},
          y: {field: "bits", type: "quantitative", title: "bits", axis: {tickMinStep: 1, tickCount: 5}, scale: {zero: true}},
        },
      },
    };
  };

  const losses = (_, width) => {
    const domain = ["before training", "after training"];
    const rows = report.layers.flatMap((layer) => [
      [domain[0], layer.initial_val_loss], [domain[1], layer.final_val_loss],
    ].filter(([, loss]) => loss !== null && loss > 0).map(([when, loss]) => ({
      block: layer.layer_idx, when, loss, tip: `block ${layer.layer_idx}, ${when}\n${loss.toPrecision(4)}`,
    })));
    if (rows.length === 0) return null;
    const x = byDepth(report.layers.length);
    const y = {field: "loss", type: "quantitative", title: "validation loss", scale: {type: "log", nice: true}, axis: {tickCount: 6, format: "~e"}};
    const colour = {field: "when", type: "nominal", scale: colours(domain), legend: null};
    return {
      legend: seriesLegend(domain),
      spec: {
        width, height: 280, data: {values: rows},
        layer: [
          {mark: {type: "line", strokeWidth: 1.75, aria: false}, encoding: {x, y, color: colour}},
          {mark: {type: "point", filled: true, size: 65, opacity: 1},
           encoding: {x, y, color: colour, tooltip: {field: "tip"}, description: {field: "tip"},
                      shape: {field: "when", type: "nominal", scale: markShapes(domain), legend: null}}},
        ],
      },
    };
  };

  // Losses of blocks differ by orders of magnitude: each training's are over what its first epoch left.
  const curves = (_, width) => {
    const rows = report.curves.flatMap((curve) => {
      const points = curve.epochs.map((point) => ({...point, loss: point.val_loss ?? point.train_loss}))
        .filter((point) => point.loss !== null && point.loss > 0);
      return points.map((point) => ({
        title: curve.title, epoch: point.epoch, share: point.loss / points[0].loss,
        tip: `${curve.title}\nepoch ${point.epoch}: ${point.loss.toPrecision(4)}`,
      }));
    });
    if (rows.length === 0) return null;
    const x = {field: "epoch", type: "quantitative", title: "epochs", scale: {zero: false, padding: 12}, axis: {tickCount: 8}};
    const y = {field: "share", type: "quantitative", title: "loss over that after the first epoch", scale: {zero: false, nice: true}, axis: {tickCount: 6, format: "~%"}};
    return {
      spec: {
        width, height: 280, data: {values: rows},
        layer: [
          {mark: {type: "line", strokeWidth: 1.25, opacity: 0.7, aria: false},
           encoding: {x, y, detail: {field: "title"}, color: {value: colourAt(0)}}},
          {mark: {type: "point", filled: true, size: 30, opacity: 0.9},
           encoding: {x, y, color: {value: colourAt(0)}, tooltip: {field: "tip"}, description: {field: "tip"}}},
        ],
      },
    };
  };

  const scales = (_, width) => {
    const rows = report.scale_losses.flatMap((loss, step) => (loss === null ? [] : [{step: step + 1, loss, tip: `step ${step + 1}\n${loss.toPrecision(4)}`}]));
    if (rows.length === 0) return null;
    const x = {field: "step", type: "quantitative", title: "step", scale: {nice: false, padding: 12}, axis: {tickMinStep: 1, tickCount: 8, format: "d"}};
    const y = {field: "loss", type: "quantitative", title: "next-token loss, nats", scale: {zero: false, nice: true}, axis: {tickCount: 6}};
    return {
      spec: {
        width, height: 240, data: {values: rows},
        layer: [
          {mark: {type: "line", strokeWidth: 1.25, aria: false}, encoding: {x, y, color: {value: colourAt(0)}}},
          {mark: {type: "point", filled: true, size: 25}, encoding: {x, y, color: {value: colourAt(0)}, tooltip: {field: "tip"}, description: {field: "tip"}}},
        ],
      },
    };
  };

  const plots = {front, differences, effects, depth, correlation, cost, timeline, bits, losses, curves, scales};

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const showTip = (_, event, __, value) => {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.textContent = String(value);
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - box.width - 8)}px`;
    tip.style.top = `${event.clientY + box.height + 24 > innerHeight ? event.clientY - box.height - 12 : event.clientY + 14}px`;
  };

  const views = new Map();
  const draw = async (place) => {
    const width = Math.floor(place.clientWidth);
    const made = plots[place.dataset.plot](Number(place.dataset.index), width - axisRoom);
    if (made === null) {
      place.closest("figure").hidden = true;
      return;
    }
    const canvas = document.createElement("div");
    const compiled = vegaLite.compile({...made.spec, autosize: {type: "pad"}}, {config: config(width)}).spec;
    const runtime = vega.parse(compiled, null, {ast: true});
    const view = new vega.View(runtime, {renderer: "svg", expr: vegaInterpreter, hover: true, tooltip: showTip, logLevel: vega.Warn});
    await view.initialize(canvas).runAsync();
    views.get(place)?.finalize();
    views.set(place, view);
    place.replaceChildren(...(made.legend && made.legend.length > 1 ? [legendOf(made.legend)] : []), canvas);
  };
  const drawAll = () => Promise.all([...document.querySelectorAll(".plot")].map(draw));

  let waiting = 0;
  let drawnWidth = innerWidth;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (innerWidth !== drawnWidth) drawAll();
      drawnWidth = innerWidth;
    }, 150);
  });
  document.fonts.ready.then(drawAll).then(() => document.documentElement.dataset.drawn = "yes");

  // Tables: a click on a heading sorts by it, a second one the other way.
  const keyOf = (row, position) => {
    const cell = row.cells[position];
    return cell.dataset.sort !== undefined ? Number(cell.dataset.sort) : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;  // what has no number stands last
    return a.localeCompare(b, "en", {numeric: true});
  };
  for (const table of document.querySelectorAll("table")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, position) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (descending ? -1 : 1) * compare(keyOf(a, position), keyOf(b, position)));
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
