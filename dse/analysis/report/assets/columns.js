// Columns of numbers as dse/analysis/report/columns.py packs them; a column is read when it is first asked for.

class Columns {
  constructor(packed) {
    this.bytes = bytesOf(packed.bytes);
    this.heads = packed.columns;
    this.held = packed.columns.map(() => null);
    this.starts = [];
    let at = 0;
    const after = (bytes) => { at += Math.ceil(bytes / 8) * 8; };
    for (const [rows, levels, width] of this.heads) {
      this.starts.push(at);
      if (levels) { after(8 * levels); if (width) after(width * rows); } else after((width || 8) * rows);
    }
  }

  at(place) {
    return (this.held[place] ??= this.read(place));
  }

  read(place) {
    const [rows, levels, width] = this.heads[place], start = this.starts[place];
    if (!levels && width) return Float64Array.from(new Float32Array(this.bytes, start, rows), (value) => Number(value.toPrecision(7)));
    if (!levels) return new Float64Array(this.bytes, start, rows);
    const known = new Float64Array(this.bytes, start, levels), out = new Float64Array(rows);
    if (!width) return out.fill(known[0]);
    const places = new (width === 1 ? Uint8Array : Uint16Array)(this.bytes, start + 8 * levels, rows);
    for (let i = 0; i < rows; i++) out[i] = known[places[i]];
    return out;
  }
}

function bytesOf(text) {
  const read = /** @type {any} */ (Uint8Array).fromBase64;
  if (read) return read.call(Uint8Array, text).buffer;
  const signs = atob(text), out = new Uint8Array(signs.length);
  for (let i = 0; i < out.length; i++) out[i] = signs.charCodeAt(i);
  return out.buffer;
}
