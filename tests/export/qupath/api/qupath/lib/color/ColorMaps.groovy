package qupath.lib.color

class ColorMaps {

    static interface ColorMap {
        String getName()
        Integer getColor(double value, double minValue, double maxValue)
    }

    static ColorMap createColorMap(String name, double[] r, double[] g, double[] b) {
        createColorMap(name, *[r, g, b].collect { channel -> channel.collect { Math.round(it * 255) as int } as int[] })
    }

    static ColorMap createColorMap(String name, int[] r, int[] g, int[] b) { new Anchored(name, r, g, b) }

    static ColorMap createColorMap(String name, int r, int g, int b) {
        new Anchored(name, [0, r] as int[], [0, g] as int[], [0, b] as int[])
    }

    /** The anchor next to a value; QuPath interpolates between them. */
    private static class Anchored implements ColorMap {
        private final String name
        private final int[] r, g, b

        Anchored(String name, int[] r, int[] g, int[] b) {
            this.name = name
            this.r = r
            this.g = g
            this.b = b
        }

        String getName() { name }

        Integer getColor(double value, double minValue, double maxValue) {
            int place = Math.round((value - minValue) / (maxValue - minValue) * (r.length - 1)) as int
            (r[place] << 16) + (g[place] << 8) + b[place]
        }
    }
}
