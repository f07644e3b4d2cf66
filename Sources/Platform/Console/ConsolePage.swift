/// The page at `/`: what `slipway status` and `slipway runs list` print, refreshed every two seconds.
///
/// One document without outside resources, so that it works on a machine with no way out.
let consolePage = """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><title>Slipway</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <style>
    :root { --ink:#16202b; --soft:#5b6b7b; --line:#dde4ea; --sea:#0b6e8f; --ok:#1d7f4e; --bad:#b3261e; --hold:#9a6700; }
    * { box-sizing:border-box } body { font:15px/1.5 system-ui,sans-serif; color:var(--ink); margin:0; background:#f6f8fa }
    header { background:#0d2538; color:#fff; padding:18px 28px; display:flex; gap:16px; align-items:baseline }
    header b { font-size:20px; letter-spacing:.02em } header span { color:#a9c3d6 }
    main { max-width:1080px; margin:24px auto; padding:0 20px; display:grid; gap:20px }
    section { background:#fff; border:1px solid var(--line); border-radius:10px; padding:16px 20px; overflow-x:auto }
    h2 { font-size:13px; text-transform:uppercase; letter-spacing:.08em; color:var(--soft); margin:0 0 10px }
    table { border-collapse:collapse; width:100% } th { text-align:left; font-weight:600; color:var(--soft); font-size:13px }
    th,td { padding:6px 14px 6px 0; border-bottom:1px solid var(--line); vertical-align:top } tr:last-child td { border:0 }
    .bar { background:#e7edf2; border-radius:4px; height:8px; width:140px; overflow:hidden; display:inline-block }
    .bar i { display:block; height:100%; background:var(--sea) } code { font-size:13px }
    .ok { color:var(--ok) } .bad { color:var(--bad) } .hold { color:var(--hold) } .soft { color:var(--soft) }
    </style></head><body>
    <header><b>Slipway</b><span id="env"></span><span id="when"></span></header>
    <main><section><h2>Releases</h2><div id="releases"></div></section>
    <section><h2>Runs</h2><div id="runs"></div></section>
    <section><h2>Engines</h2><div id="engines"></div></section></main>
    <script>
    const esc = t => String(t ?? "").replace(/[&<>"]/g, c => ({"&":"&amp;","<":"&lt;",">":"&gt;",'"':"&quot;"}[c]));
    const tone = s => ({succeeded:"ok",Synced:"ok",passed:"ok",running:"hold",queued:"hold","pending-notify":"hold",OutOfSync:"hold"}[s] || "bad");
    const table = (head, rows, none) => rows.length
      ? `<table><tr>${head.map(h => `<th>${h}</th>`).join("")}</tr>${rows.map(r => `<tr>${r.map(c => `<td>${c}</td>`).join("")}</tr>`).join("")}</table>`
      : `<p class="soft">${none}</p>`;
    async function draw() {
      try {
        const [status, runs] = await Promise.all(["status", "runs"].map(p => fetch("/api/v1/" + p).then(r => r.json())));
        env.textContent = status.environment; when.textContent = new Date().toLocaleTimeString();
        releases.innerHTML = table(["Model", "Variant", "Version", "Traffic", "Sync", "Commit"], (status.models || []).flatMap(m =>
          (m.variants || []).map(v => [esc(m.model), esc(v.alias), esc(v.version),
            `<span class="bar"><i style="width:${Number(v.weight)}%"></i></span> ${Number(v.weight)} %`,
            `<span class="${tone(m.sync)}">${esc(m.sync)}</span>${m.reason ? " " + esc(m.reason) : ""}`, `<code>${esc((m.commit || "").slice(0, 8))}</code>`])),
          "Nothing is released yet: <code>slipway run PROJECT</code>");
        document.getElementById("runs").innerHTML = table(["Run", "Model", "State", "What happened"], (runs.runs || []).map(r =>
          [`<code>${esc(r.id)}</code>`, esc(r.model), `<span class="${tone(r.state)}">${esc(r.state)}</span>`, esc(r.summary)]), "No run yet.");
        engines.innerHTML = table(["Engine", "Address"], Object.entries(status.engines || {}).map(([k, v]) => [esc(k), `<code>${esc(v)}</code>`]), "");
      } catch (problem) { when.innerHTML = '<span style="color:#ffb4a9">the platform does not answer</span>'; }
    }
    draw(); setInterval(draw, 2000);
    </script></body></html>
    """
