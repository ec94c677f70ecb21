(function () {
  "use strict";
  var each = function (list, act) { Array.prototype.forEach.call(list, act); };
  var openTo = function (id) {
    var one = id && document.getElementById(id);
    for (var at = one; at; at = at.parentElement) { if (at.tagName === "DETAILS") { at.open = true; } }
    if (one) { one.scrollIntoView(); }
  };
  window.addEventListener("hashchange", function () { openTo(location.hash.slice(1)); });
  each(document.querySelectorAll(".tools"), function (tools) {
    var groups = tools.nextElementSibling.querySelectorAll(".group");
    var hits = tools.querySelector(".hits");
    var show = function (words) {
      var shown = 0, total = 0;
      each(groups, function (group) {
        var head = group.querySelector("summary").textContent.toLowerCase().indexOf(words) >= 0, any = false;
        each(group.querySelectorAll(".finding"), function (one) {
          var hit = head || one.textContent.toLowerCase().indexOf(words) >= 0;
          one.hidden = !hit; total += 1;
          if (hit) { any = true; shown += 1; }
        });
        group.hidden = !(any || head);
      });
      hits.textContent = words ? hits.dataset.pattern.replace("#1", shown).replace("#2", total) : "";
    };
    var timer = 0;
    tools.querySelector(".filter").addEventListener("input", function (event) {
      clearTimeout(timer);
      var words = event.target.value.trim().toLowerCase();
      timer = setTimeout(function () { show(words); }, 150);
    });
    each(["open", "close"], function (name) {
      tools.querySelector("." + name).addEventListener("click", function () {
        each(groups, function (group) { group.open = name === "open"; });
      });
    });
    tools.hidden = false;
  });
  window.addEventListener("beforeprint", function () {
    each(document.querySelectorAll("details.further"), function (one) { one.open = true; });
  });
  openTo(location.hash.slice(1));
}());
