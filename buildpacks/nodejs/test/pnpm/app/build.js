console.log("built with is-number", require("is-number")(3));
require("fs").writeFileSync("built", "");
