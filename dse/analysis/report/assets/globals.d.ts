// What the scripts of the page find in a browser; for the type checker alone, and in no page.
declare const d3: any;
declare var dse: any;
