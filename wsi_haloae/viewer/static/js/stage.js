// The slide itself, shown by OpenSeadragon. Everything outside this file uses level-0 pixels.

import { mapAddress, zoomAddress } from "./api.js";
import { coveredBelow, isNarrow } from "./folds.js";

const MARGINS = { left: 64, top: 66, right: 300, bottom: 56 };
const NARROW = { left: 12, top: 80, right: 12 };
const margins = () => (isNarrow() ? { ...NARROW, bottom: coveredBelow() } : MARGINS);

export class Stage extends EventTarget {
  #viewer;
  #facts = null;
  #map = null;
  #margins = margins();

  // While painting, a drag is a stroke of the brush ("press", "drag", "release") and does not move the slide.
  painting = false;

  constructor(element) {
    super();
    this.#viewer = OpenSeadragon({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      keyboardNavEnabled: false, // keyboard.js handles all keys
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      viewportMargins: this.#margins,
      maxZoomPixelRatio: 4,
      minZoomImageRatio: 0.6,
      visibilityRatio: 0.25,
      zoomPerScroll: 1.35,
      animationTime: 0.35,
      springStiffness: 8,
      immediateRender: true,
      preserveImageSizeOnResize: true,
      crossOriginPolicy: false,
    });
    this.#viewer.addHandler("update-viewport", () => {
      if (this.#facts !== null) this.dispatchEvent(new Event("move"));
    });
    this.#viewer.addHandler("resize", () => this.makeRoom()); // a telephone was turned
    this.#viewer.addHandler("canvas-click", (event) => {
      if (event.quick && !this.painting) this.dispatchEvent(new CustomEvent("pick", { detail: this.#toLevel0(event.position) }));
    });
    this.#viewer.addHandler("canvas-press", (event) => this.#paint("press", event));
    this.#viewer.addHandler("canvas-drag", (event) => this.#paint("drag", event));
    this.#viewer.addHandler("canvas-release", (event) => this.#paint("release", event));
    for (const name of ["canvas-drag-end", "canvas-double-click"]) {
      this.#viewer.addHandler(name, (event) => (event.preventDefaultAction = this.painting));
    }
    new OpenSeadragon.MouseTracker({
      element,
      moveHandler: ({ pointerType, position }) => {
        // A finger has no place before it touches, and then it moves the slide.
        if (pointerType !== "touch") this.dispatchEvent(new CustomEvent("hover", { detail: this.#toLevel0(position) }));
      },
      leaveHandler: () => this.dispatchEvent(new CustomEvent("hover", { detail: null })),
    });
    this.canvas.setAttribute("role", "application");
  }

  get canvas() {
    return this.#viewer.canvas;
  }

  open(facts) {
    this.#facts = facts;
    this.#map = null;
    this.canvas.setAttribute("aria-label", `Slide ${facts.name}; press ? for keyboard shortcuts`);
    this.#viewer.world.removeAll();
    const { width, height, tile_size: tileSize, overlap: tileOverlap, max_level: maxLevel } = facts.deep_zoom;
    const getTileUrl = (level, column, row) => zoomAddress(facts, level, column, row);
    this.#viewer.viewport.maxZoomLevel = null;
    this.#viewer.addTiledImage({
      tileSource: { width, height, tileSize, tileOverlap, minLevel: 0, maxLevel, getTileUrl },
      width: 1,
      index: 0,
      success: () => {
        this.#measure();
        this.home(true);
      },
    });
  }

  // The pixels of the anomaly map over the slide; they are loaded when first shown.
  showMap(shown, opacity) {
    const facts = this.#facts;
    if (!facts?.pixel_map || (!shown && this.#map === null)) return;
    if (this.#map !== null) {
      this.#map.item?.setOpacity(shown ? opacity : 0);
      this.#map.opacity = shown ? opacity : 0;
      return;
    }
    const map = (this.#map = { item: null, opacity });
    const { width, height, tile_size: tileSize, max_level: maxLevel, l0_cell_width: cell } = facts.pixel_map;
    const getTileUrl = (level, column, row) => mapAddress(facts, level, column, row);
    this.#viewer.addTiledImage({
      tileSource: { width, height, tileSize, minLevel: 0, maxLevel, getTileUrl },
      width: (width * cell) / facts.width,
      opacity,
      success: ({ item }) => {
        map.item = item;
        item.setOpacity(map.opacity);
      },
    });
  }

  // Position of the slide on the page: its top left corner, and CSS pixels per level-0 pixel.
  get transform() {
    const viewport = this.#viewer.viewport;
    const corner = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const right = viewport.pixelFromPoint(new OpenSeadragon.Point(1, 0), true);
    const scale = (right.x - corner.x) / this.#facts.width;
    return { x: corner.x, y: corner.y, scale };
  }

  // The visible part of level 0 (x, y, width, height); it may extend beyond the slide.
  get sight() {
    const { x, y, scale } = this.transform;
    const { clientWidth, clientHeight } = this.canvas;
    return { x: -x / scale, y: -y / scale, width: clientWidth / scale, height: clientHeight / scale };
  }

  // Cards cover more of the slide than before, or less.
  makeRoom() {
    const now = margins();
    if (now.bottom === this.#margins.bottom) return;
    this.#margins = now;
    this.#viewer.viewport.setMargins(now);
    this.#viewer.viewport.panBy(new OpenSeadragon.Point(0, 1e-9), true); // else OpenSeadragon leaves its picture where it was
  }

  home(immediately = false) {
    this.#viewer.viewport.goHome(immediately);
  }

  zoomBy(factor) {
    this.#viewer.viewport.zoomBy(factor).applyConstraints();
  }

  // Both are shares of the visible part.
  panBy(right, down) {
    const bounds = this.#viewer.viewport.getBounds();
    this.#viewer.viewport
      .panBy(new OpenSeadragon.Point(right * bounds.width, down * bounds.height))
      .applyConstraints();
  }

  panTo(x, y) {
    const one = this.#facts.width;
    this.#viewer.viewport.panTo(new OpenSeadragon.Point(x / one, y / one)).applyConstraints();
  }

  // Move to a tile if it is not visible.
  keepInSight({ x, y, width, height }) {
    const sight = this.sight;
    const [middleX, middleY] = [x + width / 2, y + height / 2];
    const visible = (at, from, length) => at > from + 0.1 * length && at < from + 0.9 * length;
    if (!visible(middleX, sight.x, sight.width) || !visible(middleY, sight.y, sight.height)) this.panTo(middleX, middleY);
  }

  // Centre a tile, zoomed so that its surroundings are visible.
  showTile({ x, y, width, height }) {
    const one = this.#facts.width;
    const room = 4 * Math.max(width, height);
    const [middleX, middleY] = [x + width / 2, y + height / 2];
    const around = new OpenSeadragon.Rect((middleX - room / 2) / one, (middleY - room / 2) / one, room / one, room / one);
    this.#viewer.viewport.fitBoundsWithConstraints(around);
  }

  #paint(name, event) {
    if (!this.painting) return;
    event.preventDefaultAction = true;
    this.dispatchEvent(new CustomEvent(name, { detail: this.#toLevel0(event.position) }));
  }

  // The list of slides may just have been shown or hidden; OpenSeadragon itself notices this only later.
  #measure() {
    const { clientWidth, clientHeight } = this.canvas;
    this.#viewer.viewport.resize(new OpenSeadragon.Point(clientWidth, clientHeight), true);
  }

  #toLevel0({ x: pageX, y: pageY }) {
    if (this.#facts === null) return null;
    const { x, y, scale } = this.transform;
    return { x: (pageX - x) / scale, y: (pageY - y) / scale };
  }
}
